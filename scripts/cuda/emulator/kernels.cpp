// Kernels by name: translated from their module's PTX to C and compiled when they are first launched, then kept in the
// folder that EMULATOR_KERNELS names.
#include "emulator.hpp"
#include "kernel.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <unistd.h>

void run_blocks(const Translated &kernel, const char *name, Dim3 grid, Dim3 block, uint32_t shared, char **parameters);

struct Kernel {
    std::string name, module;
    const Translated *translated = nullptr;
    std::string sizes;
};

namespace {
namespace files = std::filesystem;
std::mutex lock;

files::path folder() {
    const char *path = getenv("EMULATOR_KERNELS");
    if (!path) fail("EMULATOR_KERNELS names no folder");
    files::create_directories(path);
    return path;
}

// FNV-1a: a module's name among the kept ones.
std::string hash(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325;
    for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
    char hex[17];
    snprintf(hex, sizeof hex, "%016lx", hash);
    return hex;
}

// Written whole or not at all: several processes translate at the same time.
std::string own(const files::path &path) { return path.string() + "." + std::to_string(getpid()); }

std::string module_of(const char *ptx) {
    static std::map<const void *, std::string> known;
    std::string &module = known[ptx];
    if (module.empty()) {
        module = hash(ptx);
        files::path path = folder() / (module + ".ptx");
        if (!files::exists(path)) {
            std::ofstream(own(path)) << ptx;
            files::rename(own(path), path);
        }
    }
    return module;
}

void load(Kernel *kernel) {
    files::path base = folder() / (kernel->module + "-" + kernel->name), library = base.string() + ".so";
    if (!files::exists(library)) {
        const char *tools = getenv("EMULATOR_TOOLS");
        if (!tools) fail("EMULATOR_TOOLS names no folder");
        std::string source = own(base) + ".c", built = own(base) + ".so";
        std::string translate = std::string("python3 ") + tools + "/translate.py " + (folder() / (kernel->module + ".ptx")).string() +
                                " " + kernel->name + " >" + source;
        // Products and sums are rounded one by one, as PTX has it.
        std::string compile = std::string("gcc -O1 -w -march=native -ffp-contract=off -fno-strict-aliasing -shared -fPIC -I") + tools +
                              " -o " + built + " " + source + " -lm";
        if (system(translate.c_str()) || system(compile.c_str())) fail("`%s` is not translated", kernel->name.c_str());
        files::rename(built, library);
        files::remove(source);
    }
    void *opened = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!opened) fail("%s", dlerror());
    kernel->translated = (const Translated *)dlsym(opened, "translated");
    kernel->sizes.assign(kernel->translated->sizes, kernel->translated->parameters);
}
}

Kernel *kernel_of(const char *ptx, const char *name) {
    std::lock_guard guard(lock);
    static std::map<std::pair<std::string, std::string>, Kernel *> known;
    std::string module = module_of(ptx);
    Kernel *&kernel = known[{module, name}];
    if (!kernel) {
        if (!strstr(ptx, (std::string(".entry ") + name + "(").c_str())) return nullptr;
        kernel = new Kernel{name, module};
        load(kernel);
    }
    return kernel;
}

void run(Kernel *kernel, Dim3 grid, Dim3 block, uint32_t shared, char **parameters) {
    run_blocks(*kernel->translated, kernel->name.c_str(), grid, block, shared, parameters);
}

const char *name_of(Kernel *kernel) { return kernel->name.c_str(); }
const std::string &parameters_of(Kernel *kernel) { return kernel->sizes; }
