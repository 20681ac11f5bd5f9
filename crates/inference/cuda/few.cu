// Products of a few tokens with what comes before them: something is added to the residual stream, and the sum is normed.
//
// Reading the weights is all that takes time here, so everything else is done by the way. Rows are normed by their root mean
// square, which is only known at the end: the sum is scaled then.
#include "activation.cuh"
#include "common.cuh"

// Tokens, beyond which reading them takes longer than reading weights; and numbers of a row that a thread takes together (16
// bytes of 2-byte types).
constexpr u32 TOKENS = 4, TOGETHER = 8;

template <typename T> struct alignas(16) Vector {
    T values[TOGETHER];
};

template <typename T> __device__ inline void load(const T *from, float *to) {
    Vector<T> loaded = *(const Vector<T> *)from;
#pragma unroll
    for (u32 i = 0; i < TOGETHER; i++) to[i] = wide(loaded.values[i]);
}

// A warp two rows of the weights `(outputs, inputs)`; `inputs` is a multiple of TOGETHER, `tokens` at most TOKENS.
//
// With `gated`, the rows are an output's gate and what that scales, `outputs / 2` apart, and `out` is `(tokens, outputs / 2)`.
// `delta` may be null; else `sum` is hidden + factor * delta.
template <typename T>
__device__ void normed_product(const T *hidden, const T *delta, const T *norm, const T *weights, T *sum, T *out, u32 tokens, u32 inputs,
                               u32 outputs, float factor, float epsilon, u32 gated, u32 activation) {
    u32 warp = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    u32 pairs = (outputs + 1) / 2, first = gated ? warp : 2 * warp, second = gated ? warp + pairs : first + 1;
    if (warp >= pairs) return;
    bool both = second < outputs;
    const T *rows[2] = {weights + (u64)first * inputs, weights + (u64)(both ? second : first) * inputs};
    float products[2][TOKENS] = {}, squares[TOKENS] = {};
    for (u32 at = lane * TOGETHER; at < inputs; at += WARP * TOGETHER) {
        float a[TOGETHER], b[TOGETHER], g[TOGETHER];
        load(rows[0] + at, a);
        load(rows[1] + at, b);
        load(norm + at, g);
#pragma unroll
        for (u32 token = 0; token < TOKENS; token++) {
            if (token >= tokens) break;
            u64 place = (u64)token * inputs + at;
            float x[TOGETHER];
            load(hidden + place, x);
            if (delta) {
                float added[TOGETHER];
                load(delta + place, added);
                Vector<T> rounded;
#pragma unroll
                for (u32 i = 0; i < TOGETHER; i++) {
                    rounded.values[i] = narrow<T>(x[i] + factor * added[i]);
                    x[i] = wide(rounded.values[i]);
                }
                // Every warp comes by here; one writes.
                if (warp == 0) *(Vector<T> *)(sum + place) = rounded;
            }
#pragma unroll
            for (u32 i = 0; i < TOGETHER; i++) {
                squares[token] += x[i] * x[i];
                float scaled = x[i] * g[i];
                products[0][token] += a[i] * scaled;
                products[1][token] += b[i] * scaled;
            }
        }
    }
#pragma unroll
    for (u32 token = 0; token < TOKENS; token++) {
        if (token >= tokens) break;
        float scale = rsqrtf(over_warp<Sum>(squares[token]) / inputs + epsilon);
        float a = over_warp<Sum>(products[0][token]) * scale, b = over_warp<Sum>(products[1][token]) * scale;
        if (lane) continue;
        if (gated) {
            out[(u64)token * pairs + first] = narrow<T>(activated(a, activation) * b);
        } else {
            out[(u64)token * outputs + first] = narrow<T>(a);
            if (both) out[(u64)token * outputs + second] = narrow<T>(b);
        }
    }
}

#define NORMED_PRODUCT(NAME, T)                                                                                               \
    extern "C" __global__ void normed_product_##NAME(const T *hidden, const T *delta, const T *norm, const T *weights, T *sum, \
                                                     T *out, u32 tokens, u32 inputs, u32 outputs, float factor,               \
                                                     float epsilon, u32 gated, u32 activation) {                             \
        normed_product(hidden, delta, norm, weights, sum, out, tokens, inputs, outputs, factor, epsilon, gated, activation);  \
    }
FOR_TYPE(NORMED_PRODUCT)
