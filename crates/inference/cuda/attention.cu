// Attention over the paged cache, which is read in place: no gathered copy, no mask in memory.
//
// Softmax goes along with the keys (Milakov and Gimelshein 2018, arXiv 1805.02867). A block answers some queries of one
// head of the cache, for some tokens of one sequence; where there are few of these, several blocks share out its keys (Dao et al.
// 2023, Flash-Decoding).
#include "heads.cuh"

constexpr u32 THREADS = 128, WARPS = THREADS / WARP, QUERIES = 16;

// Some tokens of a sequence, one after the other.
struct Tile {
    // The first one's row in the batch, and how many there are.
    u32 row, rows;
    // The first one's position in its sequence.
    u32 position;
    // Where the sequence's blocks begin in `blocks`.
    u32 blocks;
};

template <typename T> struct Attention {
    T *keys, *values, *out;
    const Tile *tiles;
    const u32 *blocks;
    // Tokens of a block of the cache.
    u32 block;
    // Keys that are looked at together, at most WARP.
    u32 chunk;
    float scale, cap;
    // Tokens that a token sees, itself included; 0 for all.
    u32 window;
    // Blocks that share out the keys of a query. Where it is more than one, each leaves what it has in `partials` `(T, heads, splits,
    // width + 2)`, and counts in `counters` that it has; the last one puts all together and leaves zero.
    u32 splits;
    float *partials;
    u32 *counters;
};

// Keys that are worth a block of their own.
constexpr u32 LEAST_KEYS = 128;

// Copies rows of keys or values of the cache to shared memory, `stride` apart; a warp a row.
template <typename T>
__device__ void fetch(const T *from, const u32 *blocks, u32 block, u32 first, u32 count, u32 row_width, u32 offset, u32 width, u32 stride, float *to) {
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    for (u32 key = warp; key < count; key += WARPS) {
        u32 position = first + key;
        const T *row = from + ((u64)blocks[position / block] * block + position % block) * row_width + offset;
        for (u32 at = lane; at < width; at += WARP) to[key * stride + at] = wide(row[at]);
    }
}

// With FUSED, the batch is one token of each sequence, and queries are taken out of projected rows; the token's key and value
// are stored by the way. Else `queries` is `(T, heads, width)`. COLUMNS * THREADS is at least the width.
template <typename T, u32 COLUMNS, bool FUSED>
__device__ void attend(const Projected<T> &p, const T *queries, const u32 *slots, const u32 *angles, const Attention<T> &a) {
    extern __shared__ float memory[];
    __shared__ float scores[QUERIES][WARP], most[QUERIES], total[QUERIES], kept[QUERIES];
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, width = p.width, stride = width + 1;
    float *asked = memory, *seen = memory + QUERIES * width;
    u32 split = FUSED ? blockIdx.x % a.splits : 0, unit = FUSED ? blockIdx.x / a.splits : blockIdx.x;
    Tile tile = a.tiles[unit];
    const u32 *blocks = a.blocks + tile.blocks;
    u32 kv_head = blockIdx.y, group = p.heads / p.kv_heads;
    // Of a group of many heads, some.
    u32 from = blockIdx.z * QUERIES, heads = min(group - from, QUERIES), count = heads * tile.rows;
    u32 first_head = kv_head * group + from, row_width = p.kv_heads * width;
    u32 end = tile.position + tile.rows;
    u32 begin = a.window && tile.position + 1 > a.window ? tile.position + 1 - a.window : 0;
    u32 parts = 1;
    if (FUSED && a.splits > 1) {
        u32 keys = end - begin, each = max((keys + a.splits - 1) / a.splits, LEAST_KEYS);
        parts = (keys + each - 1) / each;
        if (split >= parts) return;
        begin += split * each, end = min(begin + each, end);
    }

    for (u32 query = warp; query < count; query += WARPS) {
        u64 row = tile.row + query / heads;
        u32 head = first_head + query % heads;
        float *to = asked + query * width;
        if (FUSED) {
            head_of(p, row, head, angles[row], [&](u32 at, float value) { to[at] = wide(narrow<T>(value)); });
        } else {
            for (u32 at = lane; at < width; at += WARP) to[at] = wide(queries[(row * p.heads + head) * width + at]);
        }
    }
    if (FUSED && split == parts - 1 && warp < 2) {
        // One warp the key, another the value: of the block that sees them.
        u64 row = tile.row;
        T *to = (warp ? a.values : a.keys) + (u64)slots[row] * row_width + kv_head * width;
        head_of(p, row, p.heads + warp * p.kv_heads + kv_head, angles[row], [&](u32 at, float value) { to[at] = narrow<T>(value); });
    }
    for (u32 query = threadIdx.x; query < QUERIES; query += THREADS) most[query] = -INFINITY, total[query] = 0;
    __syncthreads();

    // A narrow head leaves threads over: they take other queries.
    u32 columns = width <= WARP ? WARP : width <= 2 * WARP ? 2 * WARP : THREADS;
    u32 share = threadIdx.x / columns, shares = THREADS / columns, column = threadIdx.x % columns;
    u32 own_queries = share < count ? (count - share + shares - 1) / shares : 0;
    float mixed[QUERIES][COLUMNS] = {};

    for (u32 first = begin; first < end; first += a.chunk) {
        u32 keys = min(a.chunk, end - first);
        fetch(a.keys, blocks, a.block, first, keys, row_width, kv_head * width, width, stride, seen);
        __syncthreads();
        for (u32 query = warp; query < count; query += WARPS) {
            u32 own = tile.position + query / heads, position = first + lane;
            bool visible = lane < keys && position <= own && !(a.window && position + a.window <= own);
            float score = -INFINITY;
            if (visible) {
                float product = 0;
#pragma unroll 4
                for (u32 at = 0; at < width; at++) product += asked[query * width + at] * seen[lane * stride + at];
                score = product * a.scale;
                if (a.cap > 0) score = tanhf(score / a.cap) * a.cap;
            }
            float before = most[query], now = fmaxf(before, over_warp<Most>(score));
            // Nothing is seen yet: there is nothing to scale, either.
            float weight = now == -INFINITY ? 0 : expf(score - now);
            float sum = over_warp<Sum>(weight);
            scores[query][lane] = weight;
            if (lane == 0) {
                float keep = now == -INFINITY ? 1 : expf(before - now);
                kept[query] = keep, most[query] = now, total[query] = total[query] * keep + sum;
            }
        }
        __syncthreads();
        fetch(a.values, blocks, a.block, first, keys, row_width, kv_head * width, width, stride, seen);
        __syncthreads();
#pragma unroll
        for (u32 at = 0; at < QUERIES; at++) {
            if (at >= own_queries) break;
            for (u32 part = 0; part < COLUMNS; part++) mixed[at][part] *= kept[at * shares + share];
        }
#pragma unroll
        for (u32 part = 0; part < COLUMNS; part++) {
            u32 component = column + part * THREADS;
            if (component >= width) break;
#pragma unroll 1
            for (u32 key = 0; key < keys; key++) {
                float value = seen[key * stride + component];
#pragma unroll
                for (u32 at = 0; at < QUERIES; at++) {
                    if (at >= own_queries) break;
                    mixed[at][part] += scores[at * shares + share][key] * value;
                }
            }
        }
        __syncthreads();
    }
    if (FUSED && parts > 1) {
        auto partial = [&](u32 query, u32 part) {
            return a.partials + (((u64)tile.row * p.heads + first_head + query) * a.splits + part) * (width + 2);
        };
#pragma unroll
        for (u32 at = 0; at < QUERIES; at++) {
            if (at >= own_queries) break;
            u32 query = at * shares + share;
            float *to = partial(query, split);
#pragma unroll
            for (u32 part = 0; part < COLUMNS; part++) {
                u32 component = column + part * THREADS;
                if (component < width) to[2 + component] = mixed[at][part];
            }
            if (column == 0) to[0] = most[query], to[1] = total[query];
        }
        __shared__ u32 before;
        __threadfence();
        __syncthreads();
        u32 *counter = a.counters + (unit * p.kv_heads + kv_head) * gridDim.z + blockIdx.z;
        if (threadIdx.x == 0) before = atomicAdd(counter, 1);
        __syncthreads();
        if (before + 1 < parts) return;
        __threadfence();
        if (threadIdx.x == 0) *counter = 0;
        for (u32 query = 0; query < count; query++) {
            float peak = -INFINITY, sum = 0;
            for (u32 part = 0; part < parts; part++) peak = fmaxf(peak, __ldcg(partial(query, part)));
            for (u32 part = 0; part < parts; part++) sum += __ldcg(partial(query, part) + 1) * expf(__ldcg(partial(query, part)) - peak);
            T *to = a.out + ((u64)tile.row * p.heads + first_head + query) * width;
            for (u32 at = threadIdx.x; at < width; at += THREADS) {
                float all = 0;
                for (u32 part = 0; part < parts; part++) {
                    const float *from = partial(query, part);
                    all += __ldcg(from + 2 + at) * expf(__ldcg(from) - peak);
                }
                to[at] = narrow<T>(all / sum);
            }
        }
        return;
    }
#pragma unroll
    for (u32 at = 0; at < QUERIES; at++) {
        if (at >= own_queries) break;
        u32 query = at * shares + share;
        u64 row = tile.row + query / heads;
        T *to = a.out + (row * p.heads + first_head + query % heads) * width;
#pragma unroll
        for (u32 part = 0; part < COLUMNS; part++) {
            u32 component = column + part * THREADS;
            if (component < width) to[component] = narrow<T>(mixed[at][part] / total[query]);
        }
    }
}

// Stores keys and values of projected rows and gives their queries, rotated, `(T, heads, width)`. A warp a head.
template <typename T> __device__ void store(const Projected<T> &p, const u32 *slots, const u32 *angles, T *keys, T *values, T *queries) {
    u32 head = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    u64 row = blockIdx.y;
    if (head >= p.heads + 2 * p.kv_heads) return;
    u64 slot = (u64)slots[row] * p.kv_heads;
    T *to = head < p.heads                ? queries + (row * p.heads + head) * p.width
            : head < p.heads + p.kv_heads ? keys + (slot + head - p.heads) * p.width
                                          : values + (slot + head - p.heads - p.kv_heads) * p.width;
    head_of(p, row, head, angles[row], [&](u32 at, float value) { to[at] = narrow<T>(value); });
}

#define PROJECTED(T)                                                                                                 \
    const T *rows, const T *bias, const T *query_norm, const T *key_norm, u32 kind, const float *cosines, const float *sines, \
        const u32 *slots, const u32 *angles, u32 heads, u32 kv_heads, u32 width, u32 half, u32 pairs, float epsilon
#define PROJECTED_OF(T) \
    Projected<T> { rows, bias, query_norm, key_norm, kind, cosines, sines, heads, kv_heads, width, half, pairs, epsilon }
#define ATTENTION(T) \
    T *keys, T *values, T *out, const Tile *tiles, const u32 *blocks, u32 block, u32 chunk, float scale, float cap, u32 window, u32 splits, \
        float *partials, u32 *counters
#define ATTENTION_OF(T) \
    Attention<T> { keys, values, out, tiles, blocks, block, chunk, scale, cap, window, splits, partials, counters }

#define KERNELS(NAME, T, COLUMNS)                                                                                      \
    extern "C" __global__ __launch_bounds__(THREADS) void decode_##NAME##_##COLUMNS(PROJECTED(T), ATTENTION(T)) {      \
        attend<T, COLUMNS, true>(PROJECTED_OF(T), nullptr, slots, angles, ATTENTION_OF(T));                            \
    }                                                                                                                  \
    extern "C" __global__ __launch_bounds__(THREADS) void attend_##NAME##_##COLUMNS(const T *queries, u32 heads,       \
                                                                                    u32 kv_heads, u32 width, ATTENTION(T)) { \
        Projected<T> p = {};                                                                                           \
        p.heads = heads, p.kv_heads = kv_heads, p.width = width;                                                       \
        attend<T, COLUMNS, false>(p, queries, nullptr, nullptr, ATTENTION_OF(T));                                      \
    }
#define OF_WIDTHS(NAME, T)                                                                                           \
    KERNELS(NAME, T, 1)                                                                                              \
    KERNELS(NAME, T, 2)                                                                                              \
    KERNELS(NAME, T, 4)                                                                                              \
    extern "C" __global__ void store_##NAME(PROJECTED(T), T *keys, T *values, T *queries) {                          \
        store(PROJECTED_OF(T), slots, angles, keys, values, queries);                                                \
    }
FOR_TYPE(OF_WIDTHS)
