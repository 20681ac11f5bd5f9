"""What goes wrong with clients, and with the server's end: clients that are killed amid streams, clients that read slowly or
not at all, a full queue, SIGTERM under load.

    cargo build --release
    python scripts/serve/faults.py

After each, nothing is left behind: no text in flight, no cache in use, no connection but one's own, memory as before, and the
same request is answered with the same text. Exits with an error at the first thing that is not as it should be.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from many_clients import resident
from running import serving

MODELS = ["mini-llama", "mini-qwen", "GaC every step", "GaC gated 0.5"]
# Sampled at a high temperature, a text hardly ends by itself.
LONG = {"prompt": "Question: How many cups are 3 cups and 4 cups?\nAnswer:", "max_tokens": 900, "temperature": 3.0}


def long(number, **more):
    return LONG | {"model": MODELS[number % len(MODELS)], "seed": number} | more


def post(address, body, timeout=120):
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/v1/completions", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        return json.load(reply)


def quiet(address):
    """What the server says when nobody disturbs it: a text of every system, and the log-probabilities of a prompt."""
    said = []
    for model in MODELS:
        answer = post(address, {"model": model, "prompt": LONG["prompt"], "max_tokens": 12, "temperature": 0, "logprobs": 2, "echo": True})
        said.append((answer["choices"], answer["usage"]))
    return said


def metrics(address):
    with urllib.request.urlopen(f"{address}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def wait(what, seconds=20):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"waited in vain: {what.__doc__ or what}"
        time.sleep(0.02)


def running(address, count):
    wait(lambda: metrics(address)["gac_running"] >= count)


class Unharmed:
    """The server as it was before a fault, held against it as it is behind."""

    def __init__(self, address, pid):
        self.address, self.pid = address, pid
        self.said = quiet(address)

    def check(self, name):
        left = {}

        def settled():
            found = metrics(self.address)
            gauges = ("gac_queue", "gac_running", "gac_waiting", "gac_cache_use")
            left.clear()
            left.update({key: value for key, value in found.items() if key.startswith(gauges) and value})
            # This one is our own.
            left.update({"connections": found["gac_connections"]} if found["gac_connections"] > 1 else {})
            return not left

        try:
            wait(settled)
        except AssertionError:
            raise AssertionError(f"{name}: {left} with nothing asked") from None
        assert quiet(self.address) == self.said, f"{name}: another answer than before"
        print(f"{name}: nothing left behind, {resident(self.pid):.0f} MiB", flush=True)


def open_stream(address, body):
    """A connection on which a request went out."""
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname, place.port))
    data = json.dumps(body | {"stream": True}).encode()
    connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    return connection


def read_on(address, number):
    """A client's process: reads a stream until it is killed."""
    connection = open_stream(address, long(number))
    while connection.recv(4096):
        pass
    time.sleep(60)


def killed_clients(address):
    """Twelve clients, three times, each a process of its own that is killed at some moment of its stream."""
    draw = random.Random(1)
    for _ in range(3):
        clients = [multiprocessing.Process(target=read_on, args=(address, number)) for number in range(12)]
        for client in clients:
            client.start()
        running(address, 6)
        for client in draw.sample(clients, len(clients)):
            os.kill(client.pid, signal.SIGKILL)
            client.join()
            time.sleep(draw.random() / 50)


def slow_readers(address):
    """Clients that read nothing, and some that read a byte now and then; others are answered meanwhile."""
    bodies = [long(number, logprobs=20, gac={"trace": True}, n=4) for number in range(6)]
    readers = [open_stream(address, body) for body in bodies]
    running(address, 4)
    began = time.monotonic()
    answer = post(address, {"model": MODELS[0], "prompt": "1 + 1 =", "max_tokens": 4})
    assert answer["choices"][0]["text"] is not None and time.monotonic() - began < 20
    for reader in readers[:3]:
        reader.recv(1)
        time.sleep(0.1)
    # The server waits for none of them: it computes what they asked for, and holds what they do not take.
    wait(lambda: metrics(address)["gac_running"] == 0, 120)
    # What is there is not lost: who reads at last reads all of it.
    late = b""
    readers[0].settimeout(20)
    while b"[DONE]" not in late[-64:]:
        piece = readers[0].recv(1 << 16)
        assert piece, "the stream broke off"
        late += piece
    for reader in readers:
        reader.close()


def full_queue(address):
    """More texts than the queue takes: some are told to come back, and do."""
    came_back = []

    def ask(number):
        while True:
            try:
                return post(address, long(number, max_tokens=60))["choices"][0]["text"]
            except urllib.error.HTTPError as refusal:
                assert refusal.code == 429, refusal
                assert json.load(refusal)["error"]["code"] == "queue_full"
                came_back.append(number)
                time.sleep(float(refusal.headers["Retry-After"]) * random.random())

    numbers = list(range(24)) * 2
    with ThreadPoolExecutor(len(numbers)) as pool:
        texts = list(pool.map(ask, numbers))
    assert came_back, "the queue was never full"
    assert texts[:24] == texts[24:], "the same request was answered in two ways"
    print(f"{len(texts)} answers, {len(came_back)} times told to come back")


def end_under_load(gac):
    """SIGTERM: what runs is answered whole, what comes later is not taken, and the server ends well."""
    with contextlib.ExitStack() as stack:
        address, server = stack.enter_context(serving(gac, "recipes/mini.toml"))
        bodies = [long(number, max_tokens=300) for number in range(16)]
        with ThreadPoolExecutor(len(bodies)) as pool:
            expected = list(pool.map(lambda body: post(address, body)["choices"][0], bodies))
            asked = [pool.submit(post, address, body) for body in bodies]
            # All are taken in, whether or not all run already.
            wait(lambda: metrics(address)["gac_queue"] >= len(bodies))
            server.send_signal(signal.SIGTERM)
            found = [answer.result()["choices"][0] for answer in asked]
        assert found == expected, "what ran when the server was told to end came out otherwise"
        try:
            post(address, bodies[0])
            raise AssertionError("a server that ends took a request")
        except urllib.error.URLError:
            pass
        assert server.wait(30) == 0, f"exit code {server.returncode}"
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.communicate(timeout=1)
    print(f"SIGTERM: {len(found)} texts finished, exit code 0")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    args = parser.parse_args()
    with serving(args.gac, "recipes/mini.toml", "--max-queue", "32") as (address, server):
        unharmed = Unharmed(address, server.pid)
        for fault in (killed_clients, slow_readers, full_queue):
            fault(address)
            unharmed.check(fault.__name__.replace("_", " "))
    end_under_load(args.gac)


if __name__ == "__main__":
    main()
