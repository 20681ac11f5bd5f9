"""Ten thousand bodies that make no sense, made by schemathesis against the description that the server serves: none is
answered with a status of 500 or above, none takes the server down, what is answered has the shape that is described, and
afterwards the server says what it said before.

    pip install schemathesis
    cargo build --release
    python scripts/serve/malformed.py
"""

import argparse
import subprocess
import sys
import tempfile

from faults import Unharmed, metrics
from running import serving

# Addresses that take bodies.
TAKE_BODIES = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--schemathesis", default="schemathesis")
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with serving(args.gac, "recipes/mini.toml") as (address, server):
        unharmed = Unharmed(address, server.pid)
        command = [args.schemathesis, "run", f"{address}/openapi.json", "--url", address, "--phases", "fuzzing"]
        command += ["--checks", "not_a_server_error,response_schema_conformance", "--seed", str(args.seed), "--no-shrink"]
        bodies = [*command, "--mode", "negative", "--include-method", "POST", "-n", str(args.bodies // TAKE_BODIES)]
        others = [*command, "--mode", "all", "-n", "100"]
        before = metrics(address)
        # It leaves notes where it runs.
        with tempfile.TemporaryDirectory() as folder:
            failed = subprocess.run(bodies, cwd=folder).returncode
            sent = sum(answered(metrics(address)).values()) - sum(answered(before).values())
            failed |= subprocess.run(others, cwd=folder).returncode
        unharmed.check(f"{sent:.0f} malformed bodies")
        statuses = answered(metrics(address))
    print("requests by status:", {status: int(count) for status, count in statuses.items()})
    if sent < args.bodies or any(int(status) >= 500 for status in statuses):
        return 1
    return failed


def answered(found):
    """Requests by status."""
    name = 'gac_requests_total{status="'
    return {key.removeprefix(name).rstrip('"}'): value for key, value in found.items() if key.startswith(name)}


if __name__ == "__main__":
    sys.exit(main())
