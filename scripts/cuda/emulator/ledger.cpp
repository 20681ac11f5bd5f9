// What a GPU was asked to do, and whether the order of that is sure.
#include "emulator.hpp"

#include <cstdarg>
#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <unistd.h>

using Clocks = std::map<Stream *, uint64_t>;

// `done` has, for every stream, how much of it is done before what this stream is given next.
struct Stream { uint64_t given = 0; Clocks done; };

namespace {
std::mutex lock;
// What the host has waited for: it comes before all that is given to any stream from then on.
Clocks host;
std::map<void *, Clocks> events;
struct Use { uint64_t at; std::string work; };
std::map<const void *, std::map<Stream *, Use>> uses;

void join(Clocks &clocks, const Clocks &others) {
    for (auto &[stream, at] : others) if (auto &mine = clocks[stream]; mine < at) mine = at;
}

void line(const std::string &text) {
    static int file = [] {
        const char *path = getenv("EMULATOR_LOG");
        return path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
    }();
    if (file >= 0) (void)!write(file, text.data(), text.size());
}
}

Stream *stream_of(void *handle) {
    if (handle == (void *)2) {
        // Never freed: what a thread has begun may be used after it.
        thread_local Stream *own = new Stream;
        return own;
    }
    static Stream first;
    return handle ? (Stream *)handle : &first;
}

extern thread_local bool graphs_replay;

namespace ledger {
void note(const char *kind, const char *name) {
    bool replayed = graphs_replay && kind == std::string("launch");
    line(std::string(replayed ? "replayed" : kind) + " " + name + "\n");
}
void note(const char *kind, uint64_t bytes) { line(std::string(kind) + " " + std::to_string(bytes) + "\n"); }

void use(Stream *stream, const void *address, const char *work) {
    const void *allocation = memory::allocation(address);
    if (!allocation) return;
    std::lock_guard guard(lock);
    join(stream->done, host);
    auto &users = uses[allocation];
    for (auto &[other, before] : users) {
        if (other != stream && stream->done[other] < before.at) {
            fail("%s uses memory that %s of another stream may still be using", work, before.work.c_str());
        }
    }
    users[stream] = {++stream->given, work};
}

void wait(Stream *stream) {
    std::lock_guard guard(lock);
    host[stream] = stream->given;
    join(host, stream->done);
    pinned::wait(stream);
}

void record(void *event, Stream *stream) {
    std::lock_guard guard(lock);
    events[event] = stream->done;
    events[event][stream] = stream->given;
}

void wait_for(Stream *stream, void *event) {
    std::lock_guard guard(lock);
    join(stream->done, events[event]);
}

void forget(const void *allocation) {
    std::lock_guard guard(lock);
    uses.erase(allocation);
}
}

extern "C" int cuStreamCreate(Stream **stream, unsigned) { *stream = new Stream; return OK; }

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("emulator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    abort();
}
