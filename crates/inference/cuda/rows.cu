// Rows of a table by their numbers, such as embeddings by token.
#include "common.cuh"

// A block a row of `width`.
template <typename T> __device__ void take_rows(const T *table, const u32 *rows, T *out, u32 width) {
    table += (u64)rows[blockIdx.x] * width, out += (u64)blockIdx.x * width;
    for (u32 at = threadIdx.x; at < width; at += blockDim.x) out[at] = table[at];
}

#define TAKE_ROWS(NAME, T)                                                                                            \
    extern "C" __global__ void take_rows_##NAME(const T *table, const u32 *rows, T *out, u32 width) {                 \
        take_rows(table, rows, out, width);                                                                           \
    }
FOR_TYPE(TAKE_ROWS)
