#!/usr/bin/env python3
"""Disturbs a run against real servers and holds what comes out against the undisturbed run.

    python scripts/remote/faults.py --gac target/release/gac --upstream http://127.0.0.1:8101 [--server 'COMMAND' --port N]

Between `gac` and `--upstream` stands a proxy that, for every nth request, answers 503, cuts the connection amid the answer,
stalls for seconds, or damages the answer. Two such proxies are replicas, of which one closes mid-run. `--server` is a command
that serves the same model on `--port`: it is started, killed mid-run with SIGKILL and started again. At last `gac` itself is
killed mid-run and started again. Servers that compute in batches need not tell the same bits twice: `undisturbed again` says
how much of a difference is theirs.
"""

import argparse
import http.client
import json
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

PROMPTS = ["The old harbour was", "Seven boats and five oars make", "A recipe for soup begins with", "Dear friend, today I",
           "def area(width, height):\n", "The best way to learn is", "On the first day of winter", "Question: why is the sea salty?\nAnswer:"]


class Proxy:
    """Hands requests on, all but every `nth` completion, which `fault` befalls."""

    def __init__(self, upstream, fault, nth):
        host = urlsplit(upstream)
        self.count, self.faults, self.lock = 0, 0, threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.hand_on(b"")

            def do_POST(self):
                self.hand_on(self.rfile.read(int(self.headers["Content-Length"])))

            def hand_on(self, body):
                hit = False
                if self.command == "POST" and ("completion" in self.path or self.path == "/generate"):
                    with outer.lock:
                        outer.count += 1
                        hit = outer.count > 8 and outer.count % nth == 0
                        outer.faults += hit
                if hit and fault == "503":
                    self.send_response(503)
                    self.send_header("Retry-After", "1")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if hit and fault == "stall":
                    time.sleep(5)
                connection = http.client.HTTPConnection(host.hostname, host.port, timeout=300)
                connection.request(self.command, self.path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                data = answer.read()
                if hit and fault == "corrupt":
                    data = data[: len(data) // 2] + b"\x00]}{" + data[len(data) // 2 + 4:]
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if hit and fault == "cut":
                    self.wfile.write(data[: len(data) // 2])
                    self.close_connection = True
                    return
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def ready(url, seconds=240):
    for _ in range(seconds):
        try:
            with urllib.request.urlopen(url + "/health", timeout=2):
                return
        except OSError:
            time.sleep(1)
    raise SystemExit(f"{url} is not ready")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--server")
    parser.add_argument("--port", type=int)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in PROMPTS))

        def start(model, name):
            command = [args.gac, "generate", "-q", "--model", model, "--prompts", folder / "prompts.jsonl", "--output",
                       folder / name, "--max-new-tokens", str(args.tokens), "--batch-size", str(args.batch_size)]
            return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)

        def texts(name):
            return [json.loads(line)["text"] for line in (folder / name).read_text().splitlines()]

        def finish(process, name):
            _, stderr = process.communicate()
            if process.returncode != 0:
                raise SystemExit(f"{name}: {stderr}")
            return texts(name)

        began = time.monotonic()
        reference = finish(start(args.upstream, "reference"), "reference")
        whole = time.monotonic() - began
        print(f"{len(PROMPTS)} texts of {args.tokens} tokens, undisturbed in {whole:.1f} s")

        def say(what, found, seconds, note=""):
            same = sum(a == b for a, b in zip(reference, found, strict=True))
            print(f"{what}: {same} of {len(reference)} texts are the same, {seconds:.1f} s{note}", flush=True)

        began = time.monotonic()
        say("undisturbed again", finish(start(args.upstream, "again"), "again"), time.monotonic() - began)
        for fault, nth in [("503", 5), ("cut", 5), ("corrupt", 5), ("stall", 20)]:
            proxy = Proxy(args.upstream, fault, nth)
            began = time.monotonic()
            found = finish(start(proxy.url, fault), fault)
            say(fault, found, time.monotonic() - began, f", {proxy.faults} of {proxy.count} requests disturbed")
            proxy.close()
        replicas = [Proxy(args.upstream, None, 1) for _ in range(2)]
        process, began = start(",".join(proxy.url for proxy in replicas), "replicas"), time.monotonic()
        time.sleep(0.5 * whole)
        replicas[0].close()
        at = [proxy.count for proxy in replicas]
        found = finish(process, "replicas")
        say("one of two replicas gone", found, time.monotonic() - began,
            f", {at[0]} requests to it before, {replicas[1].count - at[1]} to the other since")
        if args.server:
            url = f"http://127.0.0.1:{args.port}"

            def serve():
                server = subprocess.Popen(shlex.split(args.server), start_new_session=True,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                return server

            server = serve()
            ready(url)
            process, began = start(url, "killed"), time.monotonic()
            time.sleep(0.5 * whole)
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            time.sleep(2)
            server = serve()
            try:
                say("server killed and started again", finish(process, "killed"), time.monotonic() - began)
            finally:
                os.killpg(server.pid, signal.SIGKILL)
        process, began = start(args.upstream, "resumed"), time.monotonic()
        time.sleep(0.6 * whole)
        process.kill()
        process.wait()
        say("gac killed and started again", finish(start(args.upstream, "resumed"), "resumed"), time.monotonic() - began)


if __name__ == "__main__":
    main()
