// Graphs: work that is kept while a stream is captured, and done when the graph is launched.
#include "emulator.hpp"

#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <vector>

using Work = std::function<void(Stream *)>;

struct Graph {
    std::vector<Work> work;
    // Memory that the graph takes and gives back while it runs, and whether it has given it back. It stays where it is.
    std::map<uint64_t, bool> memory;
    bool broken = false;
};

namespace {
std::mutex lock;
std::map<Stream *, Graph *> captures;
// Memory of graphs that are there, and of captures that came to nothing.
std::set<uint64_t> taken, lost;
}

thread_local bool graphs_replay = false;

namespace graphs {
Graph *capture_of(Stream *stream) {
    std::lock_guard guard(lock);
    auto found = captures.find(stream);
    return found == captures.end() ? nullptr : found->second;
}

int put(void *handle, Work work) {
    Stream *stream = stream_of(handle);
    Graph *graph = capture_of(stream);
    if (!graph) { work(stream); return OK; }
    if (graph->broken) return CAPTURE_INVALIDATED;
    graph->work.push_back(std::move(work));
    return OK;
}

int refuse(void *handle) {
    Graph *graph = capture_of(stream_of(handle));
    if (!graph) return OK;
    graph->broken = true;
    return CAPTURE_UNSUPPORTED;
}

int allocate(void *handle, uint64_t *address, uint64_t bytes) {
    Graph *graph = capture_of(stream_of(handle));
    if (!graph) {
        ledger::note("alloc", bytes);
        *address = (uint64_t)memory::take(bytes);
        return *address ? OK : OUT_OF_MEMORY;
    }
    if (graph->broken) return CAPTURE_INVALIDATED;
    uint64_t at = *address = (uint64_t)memory::take(bytes);
    graph->memory[at] = false;
    {
        std::lock_guard guard(lock);
        taken.insert(at);
    }
    // Nothing is left in it of the launch before.
    graph->work.push_back([at, bytes](Stream *stream) {
        ledger::use(stream, (void *)at, "taking memory");
        memset((void *)at, 0xff, bytes);
    });
    return OK;
}

int give_back(void *handle, uint64_t address) {
    Graph *graph = capture_of(stream_of(handle));
    if (graph) {
        if (graph->broken) return CAPTURE_INVALIDATED;
        auto found = graph->memory.find(address);
        if (found == graph->memory.end() || found->second) fail("a capture gives back memory that it has not taken");
        found->second = true;
        graph->work.push_back([address](Stream *stream) {
            ledger::use(stream, (void *)address, "giving back");
            memset((void *)address, 0xff, 1);
        });
        return OK;
    }
    {
        std::lock_guard guard(lock);
        if (lost.erase(address)) return INVALID_VALUE;
        if (taken.count(address)) fail("memory of a graph is given back outside of it");
    }
    ledger::note("free", address);
    ledger::use(stream_of(handle), (void *)address, "freeing");
    ledger::forget((void *)address);
    memory::give_back((void *)address);
    return OK;
}
}

extern "C" {
int cuStreamBeginCapture_v2(void *handle, int) {
    std::lock_guard guard(lock);
    Graph *&graph = captures[stream_of(handle)];
    if (graph) return INVALID_VALUE;
    graph = new Graph;
    return OK;
}
int cuStreamIsCapturing(void *handle, int *status) {
    Graph *graph = graphs::capture_of(stream_of(handle));
    *status = !graph ? 0 : graph->broken ? 2 : 1;
    return OK;
}
int cuStreamEndCapture(void *handle, Graph **to) {
    std::lock_guard guard(lock);
    auto found = captures.find(stream_of(handle));
    if (found == captures.end()) return INVALID_VALUE;
    Graph *graph = found->second;
    captures.erase(found);
    *to = graph->broken ? nullptr : graph;
    if (!graph->broken) return OK;
    for (auto &[address, given_back] : graph->memory) if (!given_back) lost.insert(address);
    return CAPTURE_INVALIDATED;
}
int cuGraphInstantiateWithFlags(Graph **to, Graph *graph, unsigned long long) {
    ledger::note("instantiate", graph->work.size());
    for (auto &[address, given_back] : graph->memory) if (!given_back) fail("a graph keeps memory that it took");
    *to = graph;
    return OK;
}
int cuGraphUpload(Graph *, void *) { return OK; }
int cuGraphLaunch(Graph *graph, void *handle) {
    if (int refused = graphs::refuse(handle)) return refused;
    ledger::note("graph", graph->work.size());
    graphs_replay = true;
    for (Work &work : graph->work) work(stream_of(handle));
    graphs_replay = false;
    return OK;
}
int cuGraphExecDestroy(Graph *graph) {
    std::lock_guard guard(lock);
    for (auto &[address, given_back] : graph->memory) {
        taken.erase(address);
        ledger::forget((void *)address);
        memory::give_back((void *)address);
    }
    graph->memory.clear();
    return OK;
}
// Destroyed behind what was made of it.
int cuGraphDestroy(Graph *graph) { delete graph; return OK; }
}
