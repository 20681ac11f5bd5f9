// A CUDA driver without a GPU: what its parts know of each other.
//
// Device memory is the host's, and every call is carried out before it returns. What a real device would do later and
// at the same time as other things is told apart by `ledger.cpp`, which knows the order that streams and events give.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

// As the driver's and cuBLAS's headers have it, which are not needed to build this.
constexpr int OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500;
constexpr int CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901;

struct Dim3 { uint32_t x, y, z; };

// A stream's clock counts the work that was put into it. `CU_STREAM_PER_THREAD` is another stream for every thread.
struct Stream;
Stream *stream_of(void *handle);

namespace ledger {
// Adds a line to the file that EMULATOR_LOG names for each call: `launch NAME`, `graph WORK`, `up BYTES`, `down BYTES`,
// `wait stream`, `alloc BYTES`, `free ADDRESS`, `event WHAT`, `module BYTES`, `instantiate WORK`, `pages BYTES`. Copies to and from
// pages of the host that may be moved are `up-pageable` and `down-pageable`. What a graph launches is `replayed NAME`.
void note(const char *kind, const char *name);
void note(const char *kind, uint64_t bytes);

// Work of a stream uses memory: ends the process if other work on it might not have been done by then.
void use(Stream *stream, const void *address, const char *work);
// The host waits for a stream.
void wait(Stream *stream);
// An event remembers what a stream has been given; another stream waits for that.
void record(void *event, Stream *stream);
void wait_for(Stream *stream, void *event);
void forget(const void *allocation);
}

namespace graphs {
// Does work that is put into a stream; where the stream is captured, when the graph is launched.
int put(void *stream, std::function<void(Stream *)> work);
// Breaks the capture of a stream by what cannot be captured; OK where it is not captured.
int refuse(void *stream);
// Memory by the order of a stream.
int allocate(void *stream, uint64_t *address, uint64_t bytes);
int give_back(void *stream, uint64_t address);
}

namespace pinned {
// Whether memory of the host is locked to its place.
bool is(const void *address);
// Copies are done when the host waits: what comes down is not there before, what goes up must not be changed.
void up(Stream *stream, const void *from, uint64_t bytes);
void down(Stream *stream, void *to, const void *from, uint64_t bytes);
void wait(Stream *stream);
}

namespace memory {
// Memory with a page behind it that may not be touched, filled with bytes that are not a number in any float type.
void *take(uint64_t bytes);
void give_back(void *address);
// The allocation that an address is in; null where there is none.
const void *allocation(const void *address);
}

// A kernel of a module, translated and compiled when it is first launched.
struct Kernel;
Kernel *kernel_of(const char *ptx, const char *name);
void run(Kernel *kernel, Dim3 grid, Dim3 block, uint32_t shared, char **parameters);
const char *name_of(Kernel *kernel);
// Bytes of a parameter, and how many there are.
const std::string &parameters_of(Kernel *kernel);

[[noreturn]] void fail(const char *format, ...);
