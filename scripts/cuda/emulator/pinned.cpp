// Pages of the host that copies go to and from while the host goes on.
#include "emulator.hpp"

#include <cstring>
#include <map>
#include <mutex>
#include <vector>

namespace {
std::mutex lock;
std::map<uint64_t, uint64_t> pages;
// What a device has been told to write there, or to read; until the host has waited, neither is done.
struct Copy { void *at; std::vector<char> bytes; bool comes_down; };
std::map<Stream *, std::vector<Copy>> open_copies;
}

namespace pinned {
bool is(const void *address) {
    std::lock_guard guard(lock);
    auto after = pages.upper_bound((uint64_t)address);
    if (after == pages.begin()) return false;
    --after;
    return (uint64_t)address < after->first + after->second;
}

void up(Stream *stream, const void *from, uint64_t bytes) {
    std::lock_guard guard(lock);
    open_copies[stream].push_back({(void *)from, {(const char *)from, (const char *)from + bytes}, false});
}

void down(Stream *stream, void *to, const void *from, uint64_t bytes) {
    std::lock_guard guard(lock);
    memset(to, 0xff, bytes);
    open_copies[stream].push_back({to, {(const char *)from, (const char *)from + bytes}, true});
}

void wait(Stream *stream) {
    std::lock_guard guard(lock);
    for (Copy &copy : open_copies[stream]) {
        if (copy.comes_down) memcpy(copy.at, copy.bytes.data(), copy.bytes.size());
        else if (memcmp(copy.at, copy.bytes.data(), copy.bytes.size())) fail("pages were written that a device might still read");
    }
    open_copies[stream].clear();
}
}

extern "C" {
int cuMemHostAlloc(void **address, size_t bytes, unsigned) {
    ledger::note("pages", bytes);
    *address = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    std::lock_guard guard(lock);
    pages[(uint64_t)*address] = bytes;
    return *address ? OK : OUT_OF_MEMORY;
}
int cuMemFreeHost(void *address) {
    std::lock_guard guard(lock);
    pages.erase((uint64_t)address);
    free(address);
    return OK;
}
}
