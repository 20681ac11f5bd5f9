// Products with weights in blocks of few bits, as GGUF files store them (llama.cpp's `ggml-common.h` has the formats).
//
// Weights are widened exactly and activations are not rounded: results are those of the CPU but for the order of sums.
#include "common.cuh"

// Weights that are widened together: within one block, and under one scale.
constexpr u32 GROUP = 8;

__device__ inline float half_at(const u8 *at) {
    __half_raw raw;
    raw.x = at[0] | at[1] << 8;
    return __half2float(__half(raw));
}
__device__ inline u32 word_at(const u8 *at) { return at[0] | at[1] << 8 | at[2] << 16 | (u32)at[3] << 24; }

// Each type widens GROUP weights of a block from `at` on.

struct Q4_0 {
    static constexpr u32 WEIGHTS = 32, BYTES = 18;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        float scale = half_at(block);
        for (u32 i = 0; i < GROUP; i++) to[i] = scale * ((int)(block[2 + (at + i) % 16] >> (at < 16 ? 0 : 4) & 15) - 8);
    }
};

struct Q4_1 {
    static constexpr u32 WEIGHTS = 32, BYTES = 20;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        float scale = half_at(block), least = half_at(block + 2);
        for (u32 i = 0; i < GROUP; i++) to[i] = scale * (block[4 + (at + i) % 16] >> (at < 16 ? 0 : 4) & 15) + least;
    }
};

// A weight's fifth bit is in a word of its own.
__device__ inline u32 five_bits(const u8 *codes, u32 high, u32 at) {
    return (codes[at % 16] >> (at < 16 ? 0 : 4) & 15) | (high >> at & 1) << 4;
}

struct Q5_0 {
    static constexpr u32 WEIGHTS = 32, BYTES = 22;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        float scale = half_at(block);
        u32 high = word_at(block + 2);
        for (u32 i = 0; i < GROUP; i++) to[i] = scale * ((int)five_bits(block + 6, high, at + i) - 16);
    }
};

struct Q5_1 {
    static constexpr u32 WEIGHTS = 32, BYTES = 24;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        float scale = half_at(block), least = half_at(block + 2);
        u32 high = word_at(block + 4);
        for (u32 i = 0; i < GROUP; i++) to[i] = scale * five_bits(block + 8, high, at + i) + least;
    }
};

struct Q8_0 {
    static constexpr u32 WEIGHTS = 32, BYTES = 34;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        float scale = half_at(block);
        for (u32 i = 0; i < GROUP; i++) to[i] = scale * (signed char)block[2 + at + i];
    }
};

// Two bits of a weight of a block of 256: quarters of a half lie above each other.
__device__ inline u32 two_bits(const u8 *codes, u32 at) { return codes[at / 128 * 32 + at % 32] >> at % 128 / 32 * 2 & 3; }

struct Q2K {
    static constexpr u32 WEIGHTS = 256, BYTES = 84;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        u32 both = block[at / 16];
        float scale = half_at(block + 80) * (both & 15), least = half_at(block + 82) * (both >> 4);
        for (u32 i = 0; i < GROUP; i++) to[i] = scale * two_bits(block + 16, at + i) - least;
    }
};

struct Q3K {
    static constexpr u32 WEIGHTS = 256, BYTES = 110;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        const u8 *scales = block + 96;
        u32 group = at / 16, low = scales[group % 8] >> (group < 8 ? 0 : 4) & 15, high = scales[8 + group % 4] >> group / 4 * 2 & 3;
        float scale = half_at(block + 108) * ((int)(low | high << 4) - 32);
        for (u32 i = 0; i < GROUP; i++) {
            u32 third = block[(at + i) % 32] >> at / 32 & 1;
            to[i] = scale * ((int)(two_bits(block + 32, at + i) | third << 2) - 4);
        }
    }
};

// Scale and least value of a group of 32, six bits each in twelve bytes.
__device__ inline void six_bits(const u8 *scales, u32 group, float *scale, float *least) {
    if (group < 4) {
        *scale = scales[group] & 63, *least = scales[group + 4] & 63;
    } else {
        *scale = (scales[group + 4] & 15) | scales[group - 4] >> 6 << 4;
        *least = scales[group + 4] >> 4 | scales[group] >> 6 << 4;
    }
}

// Four bits of a weight of a block of 256: of 64, the second 32 lie above the first.
__device__ inline u32 four_bits(const u8 *codes, u32 at) { return codes[at / 64 * 32 + at % 32] >> at / 32 % 2 * 4 & 15; }

struct Q4K {
    static constexpr u32 WEIGHTS = 256, BYTES = 144;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        float scale, least;
        six_bits(block + 4, at / 32, &scale, &least);
        scale *= half_at(block), least *= half_at(block + 2);
        for (u32 i = 0; i < GROUP; i++) to[i] = scale * four_bits(block + 16, at + i) - least;
    }
};

struct Q5K {
    static constexpr u32 WEIGHTS = 256, BYTES = 176;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        float scale, least;
        six_bits(block + 4, at / 32, &scale, &least);
        scale *= half_at(block), least *= half_at(block + 2);
        for (u32 i = 0; i < GROUP; i++) {
            u32 fifth = block[16 + (at + i) % 32] >> at / 32 & 1;
            to[i] = scale * (four_bits(block + 48, at + i) | fifth << 4) - least;
        }
    }
};

struct Q6K {
    static constexpr u32 WEIGHTS = 256, BYTES = 210;
    __device__ static void widen(const u8 *block, u32 at, float *to) {
        float scale = half_at(block + 208) * (signed char)block[192 + at / 16];
        for (u32 i = 0; i < GROUP; i++) {
            u32 of_half = (at + i) % 128, low = block[at / 128 * 64 + of_half % 64] >> of_half / 64 * 4 & 15;
            to[i] = scale * ((int)(low | two_bits(block + 128, at + i) << 4) - 32);
        }
    }
};

constexpr u32 TOKENS = 8;

// `(tokens, inputs)` by weights `(outputs, inputs)`, transposed: `(tokens, outputs)`. A warp an output, for TOKENS tokens.
template <typename Type, typename T>
__device__ void product(const u8 *weights, const T *x, T *out, u32 tokens, u32 inputs, u32 outputs) {
    u32 output = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    u32 first = blockIdx.y * TOKENS, count = min(tokens - first, TOKENS);
    if (output >= outputs) return;
    const u8 *row = weights + (u64)output * (inputs / Type::WEIGHTS) * Type::BYTES;
    float sums[TOKENS] = {}, values[GROUP];
    for (u32 at = lane * GROUP; at < inputs; at += WARP * GROUP) {
        Type::widen(row + at / Type::WEIGHTS * Type::BYTES, at % Type::WEIGHTS, values);
#pragma unroll
        for (u32 token = 0; token < TOKENS; token++) {
            if (token >= count) break;
            const T *from = x + (u64)(first + token) * inputs + at;
            for (u32 i = 0; i < GROUP; i++) sums[token] += values[i] * wide(from[i]);
        }
    }
#pragma unroll
    for (u32 token = 0; token < TOKENS; token++) {
        float sum = over_warp<Sum>(sums[token]);
        if (lane == 0 && token < count) out[(u64)(first + token) * outputs + output] = narrow<T>(sum);
    }
}

// The numbers that weights stand for, `count` of them; a thread GROUP.
template <typename Type, typename T> __device__ void widen(const u8 *weights, T *out, u64 count) {
    u64 at = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * GROUP;
    if (at >= count) return;
    float values[GROUP];
    Type::widen(weights + at / Type::WEIGHTS * Type::BYTES, at % Type::WEIGHTS, values);
    for (u32 i = 0; i < GROUP; i++) out[at + i] = narrow<T>(values[i]);
}

#define KERNELS(TYPE, KIND, NAME, T)                                                                                          \
    extern "C" __global__ void product_##TYPE##_##NAME(const u8 *weights, const T *x, T *out, u32 tokens, u32 inputs,          \
                                                       u32 outputs) {                                                         \
        product<KIND, T>(weights, x, out, tokens, inputs, outputs);                                                           \
    }                                                                                                                         \
    extern "C" __global__ void widen_##TYPE##_##NAME(const u8 *weights, T *out, u64 count) { widen<KIND, T>(weights, out, count); }
#define OF_TYPE(NAME, T)           \
    KERNELS(q4_0, Q4_0, NAME, T)   \
    KERNELS(q4_1, Q4_1, NAME, T)   \
    KERNELS(q5_0, Q5_0, NAME, T)   \
    KERNELS(q5_1, Q5_1, NAME, T)   \
    KERNELS(q8_0, Q8_0, NAME, T)   \
    KERNELS(q2_k, Q2K, NAME, T)    \
    KERNELS(q3_k, Q3K, NAME, T)    \
    KERNELS(q4_k, Q4K, NAME, T)    \
    KERNELS(q5_k, Q5K, NAME, T)    \
    KERNELS(q6_k, Q6K, NAME, T)
FOR_TYPE(OF_TYPE)
