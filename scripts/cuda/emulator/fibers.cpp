// Runs a kernel's threads: one after the other, or taking turns where they wait for each other.
#include "emulator.hpp"
#include "kernel.h"

#include <cstring>
#include <sys/mman.h>
#include <vector>

#ifndef __x86_64__
#error "threads of kernels take turns by a switch of stacks that is written for x86-64"
#endif

// Saves the registers that calls keep on this stack, and goes on with another one.
extern "C" void switch_stacks(void **save, void *load);
asm(R"(
.globl switch_stacks
.type switch_stacks, @function
switch_stacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

extern thread_local const char *running;

namespace {
constexpr size_t STACK = 256 << 10, WARP = 32;
enum class State { Ready, AtBarrier, AtExchange, Done };

struct Fiber {
    Thread thread;
    State state;
    uint32_t mask;
    void *stack;
    void *top;
};

// The block that runs on this thread of the host.
struct Block {
    Body body;
    char **parameters;
    std::vector<Fiber> fibers;
    void *scheduler;
    Fiber *current;
};
thread_local Block block;

void give_turn(State state, uint32_t mask) {
    Fiber *own = block.current;
    own->state = state;
    own->mask = mask;
    switch_stacks(&own->top, block.scheduler);
}

void barrier(Thread *) { give_turn(State::AtBarrier, 0); }

// Every lane of `mask` leaves a value; each takes that of the lane it names. Two places in turn: nobody is two ahead.
uint32_t exchange(Thread *thread, uint32_t value, uint32_t lane, uint32_t mask) {
    uint32_t turn = thread->turn++ & 1;
    thread->left[turn] = value;
    give_turn(State::AtExchange, mask);
    size_t first = (block.current - block.fibers.data()) / WARP * WARP;
    return block.fibers[first + lane].thread.left[turn];
}

float number(uint32_t bits, bool is_bf16) {
    if (!is_bf16) { _Float16 value; memcpy(&value, &bits, 2); return value; }
    uint32_t wide = bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

// Of lane 4 g + t: rows g and g + 8 of the sums, at columns 2 t and 2 t + 1. It holds of a, in the same rows, and of b, in column g,
// the numbers 2 t, 2 t + 1, 2 t + 8 and 2 t + 9.
void multiply_tiles(Thread *thread, float *sums, const uint32_t *a, const uint32_t *b, int is_bf16) {
    uint32_t turn = thread->turn++ & 1;
    float *own = thread->tiles[turn];
    for (int at = 0; at < 4; at++) own[2 * at] = number(a[at] & 0xffff, is_bf16), own[2 * at + 1] = number(a[at] >> 16, is_bf16);
    for (int at = 0; at < 2; at++) own[8 + 2 * at] = number(b[at] & 0xffff, is_bf16), own[9 + 2 * at] = number(b[at] >> 16, is_bf16);
    give_turn(State::AtExchange, 0xffffffff);
    size_t first = (block.current - block.fibers.data()) / WARP * WARP;
    uint32_t group = thread->lane / 4, pair = thread->lane % 4;
    for (uint32_t at = 0; at < 4; at++) {
        float sum = sums[at];
        for (uint32_t part = 0; part < 4; part++) {
            const float *left = block.fibers[first + 4 * group + part].thread.tiles[turn] + at / 2 * 2;
            const float *right = block.fibers[first + 4 * (2 * pair + at % 2) + part].thread.tiles[turn] + 8;
            sum += left[0] * right[0] + left[1] * right[1] + left[4] * right[2] + left[5] * right[3];
        }
        sums[at] = sum;
    }
}

void begin() {
    Fiber *own = block.current;
    block.body(&own->thread, block.parameters);
    give_turn(State::Done, 0);
}

bool release() {
    std::vector<Fiber> &all = block.fibers;
    bool released = false, waiting = true;
    for (size_t first = 0; first < all.size(); first += WARP) {
        size_t end = std::min(first + WARP, all.size());
        for (size_t at = first; at < end; at++) {
            if (all[at].state != State::AtExchange) continue;
            bool complete = true;
            for (size_t other = first; other < end; other++) {
                bool asked = all[at].mask >> (other - first) & 1;
                complete &= !asked || all[other].state == State::AtExchange || all[other].state == State::Done;
            }
            if (!complete) continue;
            uint32_t mask = all[at].mask;
            for (size_t other = first; other < end; other++) {
                if (mask >> (other - first) & 1 && all[other].state == State::AtExchange) all[other].state = State::Ready;
            }
            released = true;
        }
    }
    for (Fiber &fiber : all) waiting &= fiber.state == State::AtBarrier || fiber.state == State::Done;
    for (Fiber &fiber : all) if (waiting && fiber.state == State::AtBarrier) { fiber.state = State::Ready; released = true; }
    return released;
}

void run_together() {
    for (Fiber &fiber : block.fibers) {
        if (!fiber.stack) fiber.stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        // As `switch_stacks` leaves a stack: six registers and where to go on; a call's entry is 8 bytes off from 16.
        void **top = (void **)((char *)fiber.stack + STACK) - 2;
        top[0] = (void *)begin;
        fiber.top = top - 6;
        fiber.state = State::Ready;
        fiber.thread.turn = 0;
    }
    do {
        for (Fiber &fiber : block.fibers) {
            if (fiber.state != State::Ready) continue;
            block.current = &fiber;
            switch_stacks(&block.scheduler, fiber.top);
        }
    } while (release());
    for (Fiber &fiber : block.fibers) if (fiber.state != State::Done) fail("threads of %s wait for ever", running);
}
}

void run_blocks(const Translated &kernel, const char *name, Dim3 grid, Dim3 size, uint32_t dynamic, char **parameters) {
    uint32_t threads = size.x * size.y * size.z, shared = kernel.shared + dynamic;
    char *memory = (char *)memory::take(shared);
    running = name;
    block.body = kernel.body;
    block.parameters = parameters;
    block.fibers.resize(std::max<size_t>(block.fibers.size(), threads));
    // Stacks are kept; a smaller block uses some of them.
    std::vector<Fiber> kept(block.fibers.begin() + threads, block.fibers.end());
    block.fibers.resize(threads);
    for (uint32_t at = 0; at < threads; at++) {
        Thread &thread = block.fibers[at].thread;
        uint32_t place[3] = {at % size.x, at / size.x % size.y, at / size.x / size.y};
        uint32_t of[3] = {size.x, size.y, size.z}, blocks[3] = {grid.x, grid.y, grid.z};
        memcpy(thread.tid, place, sizeof place);
        memcpy(thread.ntid, of, sizeof of);
        memcpy(thread.nctaid, blocks, sizeof blocks);
        thread.lane = at % WARP;
        thread.shared = memory;
        thread.dynamic = kernel.shared;
        thread.barrier = barrier;
        thread.exchange = exchange;
        thread.multiply_tiles = multiply_tiles;
    }
    for (uint32_t z = 0; z < grid.z; z++) for (uint32_t y = 0; y < grid.y; y++) for (uint32_t x = 0; x < grid.x; x++) {
        // Nothing is left of the block before.
        if (shared) memset(memory, 0xff, shared);
        uint32_t place[3] = {x, y, z};
        for (Fiber &fiber : block.fibers) memcpy(fiber.thread.ctaid, place, sizeof place);
        if (kernel.waits) run_together();
        else for (Fiber &fiber : block.fibers) kernel.body(&fiber.thread, parameters);
    }
    block.fibers.insert(block.fibers.end(), kept.begin(), kept.end());
    running = nullptr;
    memory::give_back(memory);
}
