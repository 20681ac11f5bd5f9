"""llama.cpp's tokens per second on a GGUF file, in the measurements of `compare.py` (a process of its own: its threads
spin). `python llama_cpp_peer.py FILE SECONDS` prints one JSON line per measurement.
"""

import json
import sys
import time

import llama_cpp
import numpy as np

THREADS = 2


class Peer:
    """A model with room for sixteen sequences."""

    def __init__(self, file: str) -> None:
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_load_model_from_file(file.encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max = 16 * 128, 1024, 512, 16
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = THREADS
        self.context = llama_cpp.llama_new_context_with_model(self.model, params)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.random = np.random.default_rng(0)

    def forget(self) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def decode(self, tokens: list[tuple[int, int, bool]]) -> None:
        """One forward of random tokens: sequence, position, whether logits are wanted."""
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for row, (sequence, position, wanted) in enumerate(tokens):
            batch.token[row] = int(self.random.integers(self.vocabulary))
            batch.pos[row] = position
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = sequence
            batch.logits[row] = wanted
        if llama_cpp.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        llama_cpp.llama_batch_free(batch)


def best(seconds: float, work) -> float:
    began, most = time.perf_counter(), 0.0
    while time.perf_counter() - began < seconds:
        count, elapsed = work()
        most = max(most, count / elapsed)
    return most


def main() -> None:
    peer, seconds = Peer(sys.argv[1]), float(sys.argv[2])

    def prefill() -> tuple[int, float]:
        peer.forget()
        start = time.perf_counter()
        peer.decode([(0, position, position == 511) for position in range(512)])
        return 512, time.perf_counter() - start

    def decode(size: int) -> tuple[int, float]:
        peer.forget()
        for sequence in range(size):
            peer.decode([(sequence, position, False) for position in range(64)])
        start = time.perf_counter()
        for step in range(16):
            peer.decode([(sequence, 64 + step, True) for sequence in range(size)])
        return 16 * size, time.perf_counter() - start

    for measure, work in (("prefill 512", prefill), ("decode x1", lambda: decode(1)), ("decode x16", lambda: decode(16))):
        print(json.dumps({"measure": measure, "tokens_per_second": best(seconds, work)}))


if __name__ == "__main__":
    main()
