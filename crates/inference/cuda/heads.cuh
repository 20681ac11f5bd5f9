// Heads of queries, keys and values on their way from the projection to attention: bias, norm, rotation.
#pragma once

#include "common.cuh"

// Whose numbers a norm of queries and keys is made of, and whose its weights are: each head's, with weights for all; each head's, centred,
// with weights of its own; or those of all heads together.
enum HeadNorm : u32 { Shared, Own, Whole };

// Where projected rows `(T, (heads + 2 kv_heads) * width)` go. Pointers may be null where a layer has no such thing.
template <typename T> struct Projected {
    const T *rows;
    // Of the projection, as long as a row.
    const T *bias;
    // `(width,)`, or as many for each head.
    const T *query_norm, *key_norm;
    u32 kind;
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
    const T *values = p.rows + row * p.row_width();
    bool is_query = head < p.heads, is_value = head >= p.heads + p.kv_heads;
    const T *norm = is_value ? nullptr : is_query ? p.query_norm : p.key_norm;
    auto biased = [&](u32 place) { return wide(values[place]) + (p.bias ? wide(p.bias[place]) : 0); };
    float scale = 1, mean = 0;
    if (norm) {
        bool whole = p.kind == Whole;
        u32 first = whole ? is_query ? 0 : p.heads : head, heads = !whole ? 1 : is_query ? p.heads : p.kv_heads;
        u32 from = first * p.width, count = heads * p.width;
        float sum = 0, squares = 0;
        if (p.kind == Own) for (u32 at = lane; at < count; at += WARP) sum += biased(from + at);
        mean = over_warp<Sum>(sum) / count;
        for (u32 at = lane; at < count; at += WARP) {
            float off = biased(from + at) - mean;
            squares += off * off;
        }
        scale = rsqrtf(over_warp<Sum>(squares) / count + p.epsilon);
        if (p.kind != Shared) norm += (is_query ? head : head - p.heads) * p.width;
    }
    auto value = [&](u32 at) {
        float own = biased(head * p.width + at);
        return norm ? (own - mean) * scale * wide(norm[at]) : own;
    };
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
