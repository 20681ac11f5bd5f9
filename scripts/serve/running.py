"""A `gac serve` for as long as a `with` lasts."""

import contextlib
import re
import subprocess


@contextlib.contextmanager
def serving(gac, *arguments):
    """Its address, and the process. It has to end by itself, with exit code 0, when it is told to."""
    command = [str(gac), "serve", *map(str, arguments), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            if found := re.search(r" at (http://\S+)$", line.strip()):
                break
            print(line, end="")
        else:
            raise SystemExit(f"`{' '.join(command)}` did not start")
        yield found[1], server
    finally:
        server.terminate()
        rest = server.communicate(timeout=60)[1]
    if server.returncode != 0:
        raise SystemExit(f"the server ended with {server.returncode}: {rest}")
