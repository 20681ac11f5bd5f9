// Logits in order.
#pragma once

#include "common.cuh"

// A token that is better is a larger number: by its logit, then by the lower id. Zeros are alike whatever their sign.
__device__ inline u64 ranked(float logit, u32 token) {
    u32 bits = __float_as_uint(logit + 0.f);
    // Order as integers is order as numbers.
    u32 order = bits & 0x80000000 ? ~bits : bits | 0x80000000;
    return (u64)order << 32 | ~token;
}
__device__ inline u32 token_of(u64 ranked) { return ~(u32)ranked; }
__device__ inline float logit_of(u64 ranked) {
    u32 order = ranked >> 32;
    return __uint_as_float(order & 0x80000000 ? order & 0x7fffffff : ~order);
}
