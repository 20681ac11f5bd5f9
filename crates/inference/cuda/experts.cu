// Where a router sends tokens, and what comes of what experts say there.
#include "ranked.cuh"

// A warp a token: its `active` experts by their logits (of equals the first), and their shares by softmax over all experts, or over
// those that were picked.
template <typename T>
__device__ void route(const T *logits, u32 *picked, float *shares, u32 tokens, u32 experts, u32 active, u32 renormalise) {
    u32 token = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    if (token >= tokens) return;
    logits += (u64)token * experts, picked += (u64)token * active, shares += (u64)token * active;
    float most = -INFINITY, total = 0, of_picked = 0;
    for (u32 at = lane; at < experts; at += WARP) most = fmaxf(most, wide(logits[at]));
    most = over_warp<Most>(most);
    for (u32 at = lane; at < experts; at += WARP) total += expf(wide(logits[at]) - most);
    total = over_warp<Sum>(total);
    u64 below = ~0ull;
    for (u32 rank = 0; rank < active; rank++) {
        u64 best = 0;
        for (u32 at = lane; at < experts; at += WARP) {
            u64 here = ranked(wide(logits[at]), at);
            if (here < below) best = Most::of(best, here);
        }
        below = over_warp<Most>(best);
        float share = expf(logit_of(below) - most);
        of_picked += share;
        if (lane == 0) picked[rank] = min(token_of(below), experts - 1), shares[rank] = share;
    }
    __syncwarp();
    for (u32 rank = lane; rank < active; rank += WARP) shares[rank] /= renormalise ? of_picked : total;
}

// A block a token: its experts' answers `(tokens, active, width)` by their shares, and by the sigmoid of its gate that of an expert
// for every token, where there is one.
template <typename T>
__device__ void combine(const T *answers, const float *shares, const T *common, const T *gates, T *out, u32 active, u32 width) {
    u64 token = blockIdx.x;
    float share_of_common = common ? 1 / (1 + expf(-wide(gates[token]))) : 0;
    for (u32 at = threadIdx.x; at < width; at += blockDim.x) {
        float sum = 0;
        for (u32 rank = 0; rank < active; rank++) {
            u64 pair = token * active + rank;
            sum += shares[pair] * wide(answers[pair * width + at]);
        }
        if (common) sum += share_of_common * wide(common[token * width + at]);
        out[token * width + at] = narrow<T>(sum);
    }
}

#define EXPERTS(NAME, T)                                                                                                      \
    extern "C" __global__ void route_##NAME(const T *logits, u32 *picked, float *shares, u32 tokens, u32 experts, u32 active, \
                                            u32 renormalise) {                                                                \
        route(logits, picked, shares, tokens, experts, active, renormalise);                                                  \
    }                                                                                                                         \
    extern "C" __global__ void combine_##NAME(const T *answers, const float *shares, const T *common, const T *gates, T *out, \
                                              u32 active, u32 width) {                                                        \
        combine(answers, shares, common, gates, out, active, width);                                                          \
    }
FOR_TYPE(EXPERTS)
