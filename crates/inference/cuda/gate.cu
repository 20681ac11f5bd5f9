// activation(gate) * up of rows that hold the gate and then what it scales.
#include "activation.cuh"
#include "common.cuh"

// `(rows, 2 width)` to `(rows, width)`.
template <typename T> __device__ void gate_times(const T *both, T *out, u32 rows, u32 width, u32 activation) {
    u32 at = blockIdx.x * blockDim.x + threadIdx.x;
    for (u64 row = blockIdx.y; at < width && row < rows; row += gridDim.y) {
        const T *gate = both + row * 2 * width;
        out[row * width + at] = narrow<T>(activated(wide(gate[at]), activation) * wide(gate[width + at]));
    }
}

#define GATE_TIMES(NAME, T)                                                                                    \
    extern "C" __global__ void gate_times_##NAME(const T *both, T *out, u32 rows, u32 width, u32 activation) { \
        gate_times(both, out, rows, width, activation);                                                        \
    }
FOR_TYPE(GATE_TIMES)
