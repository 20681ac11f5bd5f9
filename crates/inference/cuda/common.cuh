// What all kernels share: values are widened to f32, computed with, and rounded once.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

using u8 = unsigned char;
using u32 = unsigned int;
using u64 = unsigned long long;

constexpr u32 WARP = 32, EVERY_LANE = 0xffffffff;

__device__ inline float wide(float x) { return x; }
__device__ inline float wide(__half x) { return __half2float(x); }
__device__ inline float wide(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename T> __device__ T narrow(float x);
template <> __device__ inline float narrow(float x) { return x; }
template <> __device__ inline __half narrow(float x) { return __float2half_rn(x); }
template <> __device__ inline __nv_bfloat16 narrow(float x) { return __float2bfloat16_rn(x); }

struct Sum {
    template <typename T> __device__ static T of(T a, T b) { return a + b; }
};
struct Most {
    template <typename T> __device__ static T of(T a, T b) { return a < b ? b : a; }
};

// What `Of` makes of the values of a warp, for every lane.
template <typename Of, typename T> __device__ inline T over_warp(T value) {
    for (u32 offset = WARP / 2; offset; offset /= 2) value = Of::of(value, __shfl_xor_sync(EVERY_LANE, value, offset));
    return value;
}

// What `Of` makes of the values of a block of one dimension, for every thread; `zero` changes nothing.
template <typename Of, typename T> __device__ inline T over_block(T value, T zero) {
    __shared__ T of_warps[WARP];
    value = over_warp<Of>(value);
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    if (lane == 0) of_warps[warp] = value;
    __syncthreads();
    value = over_warp<Of>(lane < warps ? of_warps[lane] : zero);
    // Before somebody comes again.
    __syncthreads();
    return value;
}

// An instance of a kernel's template for the type of activations that a file is compiled for, such as
// -DTYPE_NAME=bf16 -DTYPE=__nv_bfloat16: a card translates what it uses alone.
#define FOR_TYPE_(INSTANCE, NAME, T) INSTANCE(NAME, T)
#define FOR_TYPE(INSTANCE) FOR_TYPE_(INSTANCE, TYPE_NAME, TYPE)
