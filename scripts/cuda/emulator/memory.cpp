// Device memory: each allocation ends right before a page that may not be touched.
#include "emulator.hpp"

#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace {
constexpr uint64_t ALIGNMENT = 256, PAGE = 4096, POISONED_AT_MOST = 64 << 20;
struct Allocation { void *mapping; uint64_t mapped, bytes; };
std::map<uint64_t, Allocation> allocations;
std::mutex lock;
}

// The kernel that this thread runs, for the report of an access outside of memory.
thread_local const char *running = nullptr;

namespace memory {
void *take(uint64_t bytes) {
    uint64_t padded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uint64_t pages = (padded + PAGE - 1) / PAGE * PAGE + PAGE;
    void *mapping = mmap(nullptr, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return nullptr;
    mprotect((char *)mapping + pages - PAGE, PAGE, PROT_NONE);
    char *address = (char *)mapping + pages - PAGE - padded;
    if (bytes <= POISONED_AT_MOST) memset(address, 0xff, padded);
    std::lock_guard guard(lock);
    allocations[(uint64_t)address] = {mapping, pages, bytes};
    return address;
}

void give_back(void *address) {
    std::lock_guard guard(lock);
    auto found = allocations.find((uint64_t)address);
    if (found == allocations.end()) fail("memory is freed that was not taken, or twice");
    munmap(found->second.mapping, found->second.mapped);
    allocations.erase(found);
}

const void *allocation(const void *address) {
    std::lock_guard guard(lock);
    auto after = allocations.upper_bound((uint64_t)address);
    if (after == allocations.begin()) return nullptr;
    auto &[from, found] = *--after;
    return (uint64_t)address <= from + found.bytes ? (const void *)from : nullptr;
}
}

// Rust installs its own handler only where there is none.
__attribute__((constructor)) static void report_outside() {
    struct sigaction action = {};
    action.sa_handler = [](int) {
        const char *name = running ? running : "the host";
        (void)!write(2, "emulator: outside of memory: ", 29);
        (void)!write(2, name, strlen(name));
        (void)!write(2, "\n", 1);
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    };
    // Without a stack of its own: threads of kernels have small ones, but an access outside leaves room on them.
    sigaction(SIGSEGV, &action, nullptr);
}
