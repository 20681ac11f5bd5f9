// The driver's calls that candle and `gac` make. Others are not there: the dynamic linker names them when they are called.
#include "emulator.hpp"

#include <cstdlib>
#include <cstring>
#include <vector>

namespace {
// EMULATOR_DEVICES of them, three unless told otherwise.
int devices() {
    static int count = getenv("EMULATOR_DEVICES") ? atoi(getenv("EMULATOR_DEVICES")) : 3;
    return count;
}
thread_local void *current = nullptr;

// The PTX of an image: the image itself, or in a container of code for several cards (as `fatbinary` writes them, not compressed).
std::string ptx_of(const char *image) {
    struct Header { uint32_t magic; uint16_t version, bytes; uint64_t rest; } header;
    struct Part { uint16_t kind, version; uint32_t header; uint64_t bytes; } part;
    memcpy(&header, image, 4);
    if (header.magic != 0xba55ed50) return image;
    memcpy(&header, image, sizeof header);
    const char *at = image + header.bytes, *end = at + header.rest;
    for (; at < end; at += part.header + part.bytes) {
        memcpy(&part, at, sizeof part);
        if (part.kind == 1) return std::string(at + part.header, strnlen(at + part.header, part.bytes));
    }
    fail("a module without PTX");
}

// Attributes that are asked for: compute capability 8.0, 108 multiprocessors, memory pools.
int attribute(int number) { return number == 75 ? 8 : number == 76 ? 0 : number == 16 ? 108 : 1; }
}

extern "C" {
int cuInit(unsigned) { return OK; }
int cuDeviceGetCount(int *count) { *count = devices(); return OK; }
int cuDeviceGet(int *device, int number) { *device = number; return number >= 0 && number < devices() ? OK : 101; }
int cuDeviceGetAttribute(int *value, int number, int) { *value = attribute(number); return OK; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)(uint64_t)(0x1000 * (device + 1)); return OK; }
int cuDevicePrimaryCtxRelease_v2(int) { return OK; }
int cuCtxGetCurrent(void **context) { *context = current; return OK; }
int cuCtxSetCurrent(void *context) { current = context; return OK; }
int cuCtxSynchronize() { return OK; }
int cuGetErrorName(int error, const char **name) { *name = error == NOT_FOUND ? "no such kernel" : "an error of the emulator"; return OK; }
int cuGetErrorString(int error, const char **text) { return cuGetErrorName(error, text); }

// ---- memory

int cuDeviceGetDefaultMemPool(void **pool, int device) { *pool = (void *)(uint64_t)(0x2000 * (device + 1)); return OK; }
int cuMemPoolSetAttribute(void *, int, void *) { return OK; }

int cuMemAllocAsync(uint64_t *address, size_t bytes, void *stream) { return graphs::allocate(stream, address, bytes); }
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    ledger::note("alloc", bytes);
    *address = (uint64_t)memory::take(bytes);
    return *address ? OK : OUT_OF_MEMORY;
}
int cuMemFreeAsync(uint64_t address, void *stream) { return graphs::give_back(stream, address); }
int cuMemFree_v2(uint64_t address) {
    ledger::forget((void *)address);
    memory::give_back((void *)address);
    return OK;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *handle) {
    if (int refused = graphs::refuse(handle)) return refused;
    Stream *stream = stream_of(handle);
    bool waits = !pinned::is(from);
    ledger::note(waits ? "up-pageable" : "up", bytes);
    ledger::use(stream, (void *)to, "a copy from the host");
    memcpy((void *)to, from, bytes);
    if (!waits) pinned::up(stream, from, bytes);
    return OK;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *handle) {
    if (int refused = graphs::refuse(handle)) return refused;
    Stream *stream = stream_of(handle);
    bool waits = !pinned::is(to);
    ledger::note(waits ? "down-pageable" : "down", bytes);
    ledger::use(stream, (void *)from, "a copy to the host");
    if (!waits) { pinned::down(stream, to, (void *)from, bytes); return OK; }
    // The call returns when the copy is complete.
    ledger::wait(stream);
    memcpy(to, (void *)from, bytes);
    return OK;
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
    return graphs::put(stream, [=](Stream *stream) {
        ledger::note("launch", "copy");
        ledger::use(stream, (void *)from, "a copy");
        ledger::use(stream, (void *)to, "a copy");
        memmove((void *)to, (void *)from, bytes);
    });
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
    return graphs::put(stream, [=](Stream *stream) {
        ledger::note("launch", "fill");
        ledger::use(stream, (void *)to, "filling");
        memset((void *)to, value, bytes);
    });
}

// ---- streams and events

int cuStreamSynchronize(void *stream) {
    if (int refused = graphs::refuse(stream)) return refused;
    ledger::note("wait", "stream");
    ledger::wait(stream_of(stream));
    return OK;
}
int cuStreamDestroy_v2(void *) { return OK; }
int cuStreamWaitEvent(void *stream, void *event, unsigned) { ledger::wait_for(stream_of(stream), event); return OK; }
int cuEventCreate(void **event, unsigned) { ledger::note("event", "create"); *event = new char; return OK; }
int cuEventDestroy_v2(void *) { return OK; }
int cuEventRecord(void *event, void *stream) {
    ledger::note("event", "record");
    ledger::record(event, stream_of(stream));
    return OK;
}

// ---- modules and kernels

int cuModuleLoadData(char **module, const char *image) {
    // What a driver translates before a card's first launch.
    std::string ptx = ptx_of(image);
    ledger::note("module", ptx.size());
    *module = strdup(ptx.c_str());
    return OK;
}
int cuModuleUnload(char *) { return OK; }
int cuModuleGetFunction(Kernel **function, const char *module, const char *name) {
    *function = kernel_of(module, name);
    return *function ? OK : NOT_FOUND;
}
int cuLaunchKernel(Kernel *kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, char **parameters, void **) {
    const char *name = name_of(kernel);
    // What a device refuses, too.
    bool sound = gx && gy && gz && bx && by && bz && bx * by * bz <= 1024 && gy <= 65535 && gz <= 65535 && shared <= 48 << 10;
    if (!sound) return INVALID_VALUE;
    // They are the caller's only until the call returns.
    const std::string &sizes = parameters_of(kernel);
    std::vector<std::string> kept;
    for (size_t at = 0; at < sizes.size(); at++) kept.emplace_back(parameters[at], (unsigned char)sizes[at]);
    return graphs::put(stream, [=](Stream *stream) mutable {
        ledger::note("launch", name);
        std::vector<char *> places;
        for (std::string &parameter : kept) {
            uint64_t address;
            places.push_back(parameter.data());
            if (parameter.size() != 8) continue;
            memcpy(&address, parameter.data(), 8);
            ledger::use(stream, (void *)address, name);
        }
        run(kernel, {gx, gy, gz}, {bx, by, bz}, shared, places.data());
    });
}
}
