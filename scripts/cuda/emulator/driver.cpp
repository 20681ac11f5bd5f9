// The driver's calls that candle and `gac` make. Others are not there: the dynamic linker names them when they are called.
#include "emulator.hpp"

#include <cstdlib>
#include <cstring>

namespace ledger { void forget(const void *allocation); }

namespace {
// EMULATOR_DEVICES of them, three unless told otherwise.
int devices() {
    static int count = getenv("EMULATOR_DEVICES") ? atoi(getenv("EMULATOR_DEVICES")) : 3;
    return count;
}
thread_local void *current = nullptr;
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

int cuMemAllocAsync(uint64_t *address, size_t bytes, void *) {
    ledger::note("alloc", bytes);
    *address = (uint64_t)memory::take(bytes);
    return *address ? OK : OUT_OF_MEMORY;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) { return cuMemAllocAsync(address, bytes, nullptr); }
int cuMemFreeAsync(uint64_t address, void *stream) {
    ledger::use(stream_of(stream), (void *)address, "freeing");
    ledger::forget((void *)address);
    memory::give_back((void *)address);
    return OK;
}
int cuMemFree_v2(uint64_t address) {
    ledger::forget((void *)address);
    memory::give_back((void *)address);
    return OK;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    ledger::note("up", bytes);
    ledger::use(stream_of(stream), (void *)to, "a copy from the host");
    memcpy((void *)to, from, bytes);
    return OK;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    ledger::note("down", bytes);
    ledger::use(stream_of(stream), (void *)from, "a copy to the host");
    // Into memory that is not page-locked, the call returns when the copy is complete.
    ledger::wait(stream_of(stream));
    memcpy(to, (void *)from, bytes);
    return OK;
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
    ledger::note("launch", "copy");
    ledger::use(stream_of(stream), (void *)from, "a copy");
    ledger::use(stream_of(stream), (void *)to, "a copy");
    memmove((void *)to, (void *)from, bytes);
    return OK;
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
    ledger::note("launch", "fill");
    ledger::use(stream_of(stream), (void *)to, "filling");
    memset((void *)to, value, bytes);
    return OK;
}

// ---- streams and events

int cuStreamSynchronize(void *stream) { ledger::wait(stream_of(stream)); return OK; }
int cuStreamDestroy_v2(void *) { return OK; }
int cuStreamIsCapturing(void *, int *status) { *status = 0; return OK; }
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
    ledger::note("module", strlen(image));
    *module = strdup(image);
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
    ledger::note("launch", name);
    // What a device refuses, too.
    bool sound = gx && gy && gz && bx && by && bz && bx * by * bz <= 1024 && gy <= 65535 && gz <= 65535 && shared <= 48 << 10;
    if (!sound) return INVALID_VALUE;
    const std::string &sizes = parameters_of(kernel);
    for (size_t at = 0; at < sizes.size(); at++) {
        uint64_t address;
        if (sizes[at] != 8) continue;
        memcpy(&address, parameters[at], 8);
        ledger::use(stream_of(stream), (void *)address, name);
    }
    run(kernel, {gx, gy, gz}, {bx, by, bz}, shared, parameters);
    return OK;
}
}
