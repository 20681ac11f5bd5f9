"""Requests that make no sense, made by schemathesis from the description that the server serves: none is answered with a
status of 500 or above, none takes the server down, and what is answered has the shape that is described.

    pip install schemathesis
    cargo build --release
    python scripts/serve/malformed.py --examples 2000
"""

import argparse
import json
import subprocess
import sys
import urllib.request

from running import serving


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--schemathesis", default="schemathesis")
    parser.add_argument("--examples", type=int, default=1000, help="of each address")
    args = parser.parse_args()
    with serving(args.gac, "recipes/mini.toml") as (address, _):
        command = [args.schemathesis, "run", f"{address}/openapi.json", "--url", address, "--phases", "fuzzing", "--mode", "all"]
        command += ["--checks", "not_a_server_error,response_schema_conformance", "-n", str(args.examples)]
        failed = subprocess.run(command).returncode
        with urllib.request.urlopen(f"{address}/v1/models") as reply:
            assert json.load(reply)["data"], "it is still there"
        with urllib.request.urlopen(f"{address}/metrics") as reply:
            lines = [line for line in reply.read().decode().splitlines() if line.startswith(("gac_requests_total", "gac_queue"))]
    print("\n".join(lines))
    return failed


if __name__ == "__main__":
    sys.exit(main())
