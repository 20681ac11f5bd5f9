// Heads of queries, keys and values on their way from the projection to attention: bias, norm, rotation.
#pragma once

#include "common.cuh"

// Where projected rows `(T, (heads + 2 kv_heads) * width)` go. Pointers may be null where a layer has no such thing.
template <typename T> struct Projected {
    const T *rows;
    // Of the projection, as long as a row.
    const T *bias;
    // Of the norm over each head (RMS), `(width,)`.
    const T *query_norm, *key_norm;
    // Cosines and sines by row of a table, `(.., half)`.
    const float *cosines, *sines;
    u32 heads, kv_heads, width, half, pairs;
    float epsilon;

    __device__ u32 row_width() const { return (heads + 2 * kv_heads) * width; }
};

// Gives the components of one head of row `row`, each to `put(component, value)`; a warp does one. `head` counts queries,
// then keys, then values.
template <typename T, typename Put> __device__ void head_of(const Projected<T> &p, u64 row, u32 head, u32 angle, Put put) {
    u32 lane = threadIdx.x % WARP;
    const T *values = p.rows + row * p.row_width() + head * p.width;
    const T *bias = p.bias ? p.bias + head * p.width : nullptr;
    bool is_query = head < p.heads, is_value = head >= p.heads + p.kv_heads;
    const T *norm = is_value ? nullptr : is_query ? p.query_norm : p.key_norm;
    auto biased = [&](u32 at) { return wide(values[at]) + (bias ? wide(bias[at]) : 0); };
    float scale = 1;
    if (norm) {
        float squares = 0;
        for (u32 at = lane; at < p.width; at += WARP) squares += biased(at) * biased(at);
        scale = rsqrtf(over_warp<Sum>(squares) / p.width + p.epsilon);
    }
    auto value = [&](u32 at) { return norm ? biased(at) * scale * wide(norm[at]) : biased(at); };
    u32 turned = is_value || !p.cosines ? 0 : 2 * p.half;
    for (u32 pair = lane; pair < turned / 2; pair += WARP) {
        u32 first = p.pairs ? 2 * pair : pair, second = p.pairs ? first + 1 : pair + p.half;
        float a = value(first), b = value(second);
        float cosine = p.cosines[(u64)angle * p.half + pair], sine = p.sines[(u64)angle * p.half + pair];
        put(first, a * cosine - b * sine);
        put(second, b * cosine + a * sine);
    }
    for (u32 at = turned + lane; at < p.width; at += WARP) put(at, value(at));
}
