// Products of the tokens of a step, with what stands before and behind them done by the way.
//
// Reading the weights is what takes time, so everything else is hidden behind it. Between two products the residual stream is
// *weighed*, not normed: multiplied by the weights of the norm that comes next. What it is divided by is known when all of a
// row is there, and a product is scaled by it at its end. Each block leaves its share of the squares, in a place of its own,
// so sums are added in one order whatever the batch.
#include "activation.cuh"
#include "common.cuh"

// Rows and tokens of a tile of the tensor cores, and warps of a block. These share out the inputs.
constexpr u32 TILE = 16, COLUMN = 8, WARPS = 8, THREADS = WARPS * WARP;

// What is weighed is not normed yet, and numbers of f16 end at 65504: there it is made smaller by a power of two.
template <typename T> constexpr float SHIFT = 1;
template <> constexpr float SHIFT<__half> = 1 / 64.f;

// `(tokens, inputs)` by `(outputs, inputs)`, transposed. Pointers may be null where there is no such thing.
template <typename T> struct Product {
    const T *x, *weights, *bias;
    // Of a stream that is weighed: `parts` of each token's sum of squares, and the epsilon of its norm.
    const float *squares;
    u32 parts;
    float epsilon;
    u32 tokens, inputs, outputs;
    // Rows of a block; with `gated` half of them are gates, and the others what these scale, `outputs / 2` further down.
    u32 gated, activation;
    // What comes out is multiplied by `factor`, and bent below `cap` where that is not 0.
    float factor, cap;
    T *out;
    // Instead of `out`, in f32.
    float *logits;
    // Instead of `out`: `sum` is hidden + factor * product, `weighed` the sum times `norm`, `sum_squares` a part for each block.
    const T *hidden, *norm;
    T *sum, *weighed;
    float *sum_squares;
    // Instead of `weights`: a matrix for each y of the grid, the one that `experts` names; `x` has a row for every `share` of them.
    const u64 *matrices;
    const u32 *experts;
    u32 share;
};

__device__ inline void multiply_tiles(float (&sums)[4], const u32 (&a)[4], const u32 (&b)[2], __nv_bfloat16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline void multiply_tiles(float (&sums)[4], const u32 (&a)[4], const u32 (&b)[2], __half) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The first row of a tile of this block.
template <typename T, u32 ROWS> __device__ inline u32 first_row(const Product<T> &p, u32 tile) {
    constexpr u32 GATES = ROWS > 1 ? ROWS / 2 : 1;
    return p.gated ? (blockIdx.x * GATES + tile % GATES) * TILE + tile / GATES * (p.outputs / 2) : (blockIdx.x * ROWS + tile) * TILE;
}

// By tensor cores: each warp takes every eighth step of the inputs. Of sixteen numbers that a tile multiplies, it does not matter
// which they are if both sides agree: a lane takes the ones that lie together.
template <typename T, u32 ROWS, u32 COLUMNS> __device__ void multiply(const Product<T> &p, float *shared, float *tile) {
    // Numbers of a row that a lane takes together, 16 bytes; those of a row's lanes are a step.
    constexpr u32 TOGETHER = 8, LANES_OF_ROW = 4, STEP = TOGETHER * LANES_OF_ROW;
    constexpr u32 AHEAD = COLUMNS > 4 ? 2 : 4, NUMBERS = ROWS * COLUMNS * 4;
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, group = lane / LANES_OF_ROW;
    float sums[ROWS][COLUMNS][4] = {};
    const T *rows[ROWS][2], *tokens[COLUMNS];
    for (u32 m = 0; m < ROWS; m++) {
        for (u32 half = 0; half < 2; half++) {
            // What is beyond is computed, but not written.
            rows[m][half] = p.weights + (u64)min(first_row<T, ROWS>(p, m) + group + 8 * half, p.outputs - 1) * p.inputs;
        }
    }
    for (u32 n = 0; n < COLUMNS; n++) tokens[n] = p.x + (u64)min(n * COLUMN + group, p.tokens - 1) * p.inputs;
    for (u32 step = warp * STEP; step < p.inputs; step += AHEAD * WARPS * STEP) {
        uint4 weights[AHEAD][ROWS][2];
#pragma unroll
        for (u32 ahead = 0; ahead < AHEAD; ahead++) {
            u32 at = step + ahead * WARPS * STEP + lane % LANES_OF_ROW * TOGETHER;
#pragma unroll
            for (u32 m = 0; m < ROWS; m++) {
#pragma unroll
                for (u32 half = 0; half < 2; half++) {
                    weights[ahead][m][half] = at < p.inputs ? *(const uint4 *)(rows[m][half] + at) : uint4{};
                }
            }
        }
#pragma unroll
        for (u32 ahead = 0; ahead < AHEAD; ahead++) {
            u32 begin = step + ahead * WARPS * STEP, at = begin + lane % LANES_OF_ROW * TOGETHER;
            if (begin >= p.inputs) break;
#pragma unroll
            for (u32 n = 0; n < COLUMNS; n++) {
                uint4 x = at < p.inputs ? *(const uint4 *)(tokens[n] + at) : uint4{};
                const u32 first[2] = {x.x, x.y}, second[2] = {x.z, x.w};
#pragma unroll
                for (u32 m = 0; m < ROWS; m++) {
                    uint4 above = weights[ahead][m][0], below = weights[ahead][m][1];
                    const u32 left[4] = {above.x, below.x, above.y, below.y}, right[4] = {above.z, below.z, above.w, below.w};
                    multiply_tiles(sums[m][n], left, first, T());
                    multiply_tiles(sums[m][n], right, second, T());
                }
            }
        }
    }
    // Half of the warps leave what they have to the others, until one has all.
    float *own = &sums[0][0][0];
#pragma unroll
    for (u32 half = WARPS / 2; half; half /= 2) {
        if (warp >= half && warp < 2 * half) {
#pragma unroll
            for (u32 at = 0; at < NUMBERS; at++) shared[((warp - half) * NUMBERS + at) * WARP + lane] = own[at];
        }
        __syncthreads();
        if (warp < half) {
#pragma unroll
            for (u32 at = 0; at < NUMBERS; at++) own[at] += shared[(warp * NUMBERS + at) * WARP + lane];
        }
        __syncthreads();
    }
    if (warp == 0) {
#pragma unroll
        for (u32 m = 0; m < ROWS; m++) {
#pragma unroll
            for (u32 n = 0; n < COLUMNS; n++) {
#pragma unroll
                for (u32 at = 0; at < 4; at++) {
                    u32 row = m * TILE + group + 8 * (at / 2), token = n * COLUMN + lane % LANES_OF_ROW * 2 + at % 2;
                    tile[token * ROWS * TILE + row] = sums[m][n][at];
                }
            }
        }
    }
    __syncthreads();
}

// In f32 there are no tensor cores that are exact: a warp takes some rows, its lanes share out the inputs.
template <u32 ROWS, u32 COLUMNS> __device__ void multiply_f32(const Product<float> &p, float *tile) {
    constexpr u32 OWN = ROWS * TILE / WARPS, VECTOR = 4;
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    for (u32 column = 0; column < COLUMNS && column * COLUMN < p.tokens; column++) {
        float sums[OWN][COLUMN] = {};
        for (u32 at = lane * VECTOR; at < p.inputs; at += WARP * VECTOR) {
            float4 w[OWN];
#pragma unroll
            for (u32 row = 0; row < OWN; row++) {
                u32 of_block = warp * OWN + row, place = first_row<float, ROWS>(p, of_block / TILE) + of_block % TILE;
                w[row] = *(const float4 *)(p.weights + (u64)min(place, p.outputs - 1) * p.inputs + at);
            }
#pragma unroll
            for (u32 token = 0; token < COLUMN; token++) {
                float4 x = *(const float4 *)(p.x + (u64)min(column * COLUMN + token, p.tokens - 1) * p.inputs + at);
#pragma unroll
                for (u32 row = 0; row < OWN; row++) {
                    sums[row][token] += w[row].x * x.x + w[row].y * x.y + w[row].z * x.z + w[row].w * x.w;
                }
            }
        }
#pragma unroll
        for (u32 row = 0; row < OWN; row++) {
#pragma unroll
            for (u32 token = 0; token < COLUMN; token++) {
                float sum = over_warp<Sum>(sums[row][token]);
                if (lane == 0) tile[(column * COLUMN + token) * ROWS * TILE + warp * OWN + row] = sum;
            }
        }
    }
    __syncthreads();
}

template <typename T, u32 ROWS, u32 COLUMNS> __device__ void product(Product<T> p) {
    constexpr u32 ALL = ROWS * TILE * COLUMNS * COLUMN;
    // Of half of the warps; then, in their place, the product.
    __shared__ float shared[sizeof(T) == 2 ? WARPS / 2 * ALL : ALL];
    __shared__ float scales[COLUMNS * COLUMN];
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    u32 width = p.gated ? ROWS * TILE / 2 : ROWS * TILE, all_outputs = p.gated ? p.outputs / 2 : p.outputs;
    if (p.matrices) {
        p.weights = (const T *)p.matrices[p.experts[blockIdx.y]];
        p.x += (u64)(blockIdx.y / p.share) * p.inputs, p.out += (u64)blockIdx.y * all_outputs;
    }
    for (u32 token = warp; token < p.tokens; token += WARPS) {
        float sum = 0;
        if (p.squares) for (u32 part = lane; part < p.parts; part += WARP) sum += p.squares[(u64)token * p.parts + part];
        sum = over_warp<Sum>(sum);
        if (lane == 0) scales[token] = p.squares ? rsqrtf(sum / p.inputs + p.epsilon) / SHIFT<T> : 1;
    }
    if constexpr (sizeof(T) == 2) multiply<T, ROWS, COLUMNS>(p, shared, shared);
    else multiply_f32<ROWS, COLUMNS>(p, shared);

    for (u32 at = threadIdx.x; at < width * COLUMNS * COLUMN; at += THREADS) {
        u32 token = at / width, row = at % width, output = blockIdx.x * width + row;
        bool is = token < p.tokens && output < all_outputs;
        float scale = token < p.tokens ? scales[token] : 0, value = 0;
        if (is) {
            value = shared[token * ROWS * TILE + row] * scale;
            if (p.bias) value += wide(p.bias[output]);
            if (p.gated) {
                float up = shared[token * ROWS * TILE + width + row] * scale;
                if (p.bias) up += wide(p.bias[all_outputs + output]);
                value = activated(value, p.activation) * up;
            }
            value *= p.factor;
            if (p.cap > 0) value = tanhf(value / p.cap) * p.cap;
        }
        u64 place = (u64)token * all_outputs + output;
        if (p.hidden) {
            if (is) {
                T sum = narrow<T>(wide(p.hidden[place]) + value);
                p.sum[place] = sum;
                value = wide(sum);
                if (p.norm) p.weighed[place] = narrow<T>(value * wide(p.norm[output]) * SHIFT<T>);
            }
            // Rows of one token are a warp, or half of one.
            float square = value * value;
            for (u32 offset = width / 2; offset; offset /= 2) square += __shfl_xor_sync(EVERY_LANE, square, offset);
            if (p.norm && row == 0 && token < p.tokens) p.sum_squares[(u64)token * gridDim.x + blockIdx.x] = square;
        } else if (is && p.logits) {
            p.logits[place] = value;
        } else if (is) {
            p.out[place] = narrow<T>(value);
        }
    }
}

#define KERNEL(NAME, T, ROWS, COLUMNS)                                                                                        \
    extern "C" __global__ __launch_bounds__(THREADS) void product_##NAME##_##ROWS##x##COLUMNS(                                \
        const T *x, const T *weights, const T *bias, const float *squares, u32 parts, float epsilon, u32 tokens, u32 inputs,  \
        u32 outputs, u32 gated, u32 activation, float factor, float cap, T *out, float *logits, const T *hidden,              \
        const T *norm, T *sum, T *weighed, float *sum_squares, const u64 *matrices, const u32 *experts, u32 share) {          \
        product<T, ROWS, COLUMNS>({x, weights, bias, squares, parts, epsilon, tokens, inputs, outputs, gated, activation,     \
                                   factor, cap, out, logits, hidden, norm, sum, weighed, sum_squares, matrices, experts,      \
                                   share});                                                                                   \
    }
#define OF_SHAPES(NAME, T)   \
    KERNEL(NAME, T, 1, 1)    \
    KERNEL(NAME, T, 1, 2)    \
    KERNEL(NAME, T, 1, 4)    \
    KERNEL(NAME, T, 1, 8)    \
    KERNEL(NAME, T, 2, 1)    \
    KERNEL(NAME, T, 2, 2)    \
    KERNEL(NAME, T, 2, 4)    \
    KERNEL(NAME, T, 2, 8)
FOR_TYPE(OF_SHAPES)
