#!/usr/bin/env python3
"""Reads the offline runs of `gac export --format wandb` with wandb's own messages, and has `wandb sync` upload them to a
server that stands in for W&B's here and keeps what it gets.

    pip install wandb==0.31.0
    cargo build --release
    python scripts/export/wandb_reader.py RUN
    python scripts/export/wandb_reader.py --fixture      # the bytes of the unit test

What arrives must have a run per system, finished, with the primary metrics of the run's leaderboard.csv in its summary and
its history, and its configuration. Exits with 1 when anything differs.
"""

import argparse
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from running import Differences, export, leaderboard
from wandb.proto import wandb_internal_pb2 as messages

HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
BLOCK, PIECE = 32768, struct.Struct("<IHB")


def fixture():
    """A log with one record."""
    record = messages.Record(num=1)
    record.exit.SetInParent()
    data = record.SerializeToString()
    return HEADER + PIECE.pack(zlib.crc32(b"\1" + data), len(data), 1) + data


def records(path):
    """The records of a `.wandb` file; a wrong checksum is an error."""
    data = path.read_bytes()
    assert data.startswith(HEADER), path
    at, record = len(HEADER), b""
    while at < len(data):
        left = BLOCK - at % BLOCK
        if left < PIECE.size:
            at += left
            continue
        checksum, length, kind = PIECE.unpack_from(data, at)
        piece = data[at + PIECE.size : at + PIECE.size + length]
        assert zlib.crc32(bytes([kind]) + piece) == checksum, (path, at)
        record += piece
        at += PIECE.size + length
        if kind in (1, 4):
            yield messages.Record.FromString(record)
            record = b""


class Server(ThreadingHTTPServer):
    """Answers what `wandb sync` asks, and keeps what it says."""

    # All runs are synced together.
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.runs, self.files, self.finished = {}, {}, set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        reply = {}
        if self.path == "/graphql":
            reply = {"data": self.graphql(json.loads(body))}
        elif self.path.endswith("/file_stream"):
            run = self.path.split("/")[-2]
            said = json.loads(body)
            for name, part in (said.get("files") or {}).items():
                self.server.files.setdefault((run, name), []).extend(part["content"])
            if said.get("complete"):
                self.server.finished.add((run, said.get("exitcode")))
        elif self.path.startswith("/upload/"):
            _, _, run, name = self.path.split("/", 3)
            self.server.files[run, name] = [body.decode()]
        text = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

    def graphql(self, asked):
        variables = asked["variables"]
        if "upsertBucket" in asked["query"]:
            run = self.server.runs.setdefault(variables["name"], {})
            run.update({name: value for name, value in variables.items() if value is not None})
            project = {"id": "p", "name": variables["project"], "entity": {"id": "e", "name": "entity"}}
            bucket = {"id": variables["name"], "name": variables["name"], "displayName": run.get("displayName")}
            bucket |= {"config": "{}", "project": project, "historyLineCount": 0}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "createRunFiles" in asked["query"]:
            url = f"{self.server.address}/upload/{variables['run']}"
            files = [{"name": name, "uploadUrl": f"{url}/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": variables["run"], "uploadHeaders": [], "files": files}}
        return {}


def check_records(path, differences):
    """The kinds of a file's records, in order."""
    kinds = [record.WhichOneof("record_type") for record in records(path)]
    differences.expect(f"{path.name}", kinds, ["header", "run", "summary", "history", "exit"])
    return next(record.run for record in records(path) if record.WhichOneof("record_type") == "run")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--fixture", action="store_true")
    arguments = parser.parse_args()
    if arguments.fixture:
        print(fixture().hex())
        return
    rows, differences = leaderboard(arguments.run), Differences()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "wandb"
        export(arguments.run, "wandb", store)
        paths = sorted(store.glob("offline-run-*/run-*.wandb"))
        for path in paths:
            check_records(path, differences)
        server = Server()
        environment = os.environ | {"WANDB_BASE_URL": server.address, "WANDB_API_KEY": "0" * 40}
        wandb = Path(sys.executable).parent / "wandb"
        subprocess.run([wandb, "sync", *(path.parent for path in paths)], check=True, env=environment, cwd=folder,
                       capture_output=True)
    systems = {system for system, _ in rows}
    differences.expect("runs", {run["displayName"] for run in server.runs.values()}, systems)
    for id, run in server.runs.items():
        system = run["displayName"]
        (summary,) = server.files.get((id, "wandb-summary.json"), ["{}"])[-1:]
        summary = json.loads(summary)
        history = json.loads(server.files[id, "wandb-history.jsonl"][0])
        differences.expect(f"{system} is finished", (id, 0) in server.finished, True)
        differences.expect(f"{system} configuration", json.loads(run["config"])["system"]["value"]["name"], system)
        for (of, task), row in rows.items():
            key = "average" if task == "average" else f"{task}/{row['metric']},{row['filter']}"
            if of == system:
                differences.expect(f"{system} {key} summary", summary.get(key), float(row["value"]))
                differences.expect(f"{system} {key} history", history.get(key), float(row["value"]))
    print(f"{len(server.runs)} runs synced, {differences.count} differences")
    sys.exit(1 if differences.count else 0)


if __name__ == "__main__":
    main()
