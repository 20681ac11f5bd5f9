// The most probable tokens of rows of logits, and what normalises them, so that little comes down from a device.
//
// A row is cut into chunks. Of each, the best token and the sum of exponentials are found; then tokens are taken one by one:
// the best of all chunks, whose chunk then offers its next best.
#include "ranked.cuh"

constexpr u32 CHUNK = 128;

// The best token of a chunk that is worse than `below`, for all lanes of a warp; 0 where none is left.
__device__ inline u64 best_below(const float *logits, u32 vocabulary, u32 chunk, u64 below) {
    u64 best = 0;
    for (u32 at = threadIdx.x % WARP; at < CHUNK; at += WARP) {
        u32 token = chunk * CHUNK + at;
        if (token >= vocabulary || logits[token] != logits[token]) continue;
        u64 here = ranked(logits[token], token);
        if (here < below) best = Most::of(best, here);
    }
    return over_warp<Most>(best);
}

// A warp a chunk, a row for each y of the grid: its best token, and the sum of exp(logit - the best one's).
extern "C" __global__ void chunks_of_logits(const float *logits, u64 *best, float *sums, u32 vocabulary, u32 chunks) {
    u32 chunk = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    u64 row = blockIdx.y;
    if (chunk >= chunks) return;
    logits += row * vocabulary;
    u64 first = best_below(logits, vocabulary, chunk, ~0ull);
    float peak = first ? logit_of(first) : -INFINITY, sum = 0;
    for (u32 at = threadIdx.x % WARP; at < CHUNK; at += WARP) {
        u32 token = chunk * CHUNK + at;
        if (token >= vocabulary) continue;
        float logit = logits[token];
        // A logit that is not a number makes the sum none; impossible tokens add nothing.
        sum += logit == -INFINITY ? 0 : expf(logit - peak);
    }
    sum = over_warp<Sum>(sum);
    if (threadIdx.x % WARP == 0) best[row * chunks + chunk] = first, sums[row * chunks + chunk] = sum;
}

// What is told of a row, 4 bytes each: the largest logit, the sum of exp(logit - that) in f64 (low half first), then `count`
// tokens, each with its logit. A block a row; `memory` has 8 bytes for every chunk.
extern "C" __global__ void top_tokens(const float *logits, const u64 *best, const float *sums, const u32 *rows, u32 *told, u32 vocabulary,
                                      u32 chunks, u32 count) {
    extern __shared__ u64 offers[];
    u64 row = rows ? rows[blockIdx.x] : blockIdx.x;
    logits += row * vocabulary, best += row * chunks, sums += row * chunks;
    told += (u64)blockIdx.x * (3 + 2 * count);
    for (u32 at = threadIdx.x; at < chunks; at += blockDim.x) offers[at] = best[at];
    u64 top = 0;
    for (u32 at = threadIdx.x; at < chunks; at += blockDim.x) top = Most::of(top, offers[at]);
    top = over_block<Most>(top, 0ull);
    float peak = top ? logit_of(top) : -INFINITY;
    double sum = 0;
    for (u32 at = threadIdx.x; at < chunks; at += blockDim.x) {
        float own = offers[at] ? logit_of(offers[at]) : -INFINITY;
        // Products with what is not a number stay that.
        sum += own == -INFINITY ? (double)sums[at] : (double)sums[at] * (double)expf(own - peak);
    }
    sum = over_block<Sum>(sum, 0.);
    if (threadIdx.x == 0) {
        u64 bits = __double_as_longlong(sum);
        told[0] = __float_as_uint(peak), told[1] = (u32)bits, told[2] = bits >> 32;
    }
    for (u32 at = 0; at < count; at++) {
        if (threadIdx.x == 0) told[3 + 2 * at] = token_of(top), told[4 + 2 * at] = __float_as_uint(top ? logit_of(top) : -INFINITY);
        if (threadIdx.x < WARP && top) {
            u32 chunk = token_of(top) / CHUNK;
            u64 next = best_below(logits, vocabulary, chunk, top);
            if (threadIdx.x == 0) offers[chunk] = next;
        }
        __syncthreads();
        u64 here = 0;
        for (u32 chunk = threadIdx.x; chunk < chunks; chunk += blockDim.x) here = Most::of(here, offers[chunk]);
        top = over_block<Most>(here, 0ull);
    }
}
