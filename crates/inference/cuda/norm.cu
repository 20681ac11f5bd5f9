// What happens to the residual stream between two products, in one pass: something is added, and the sum is normed.
#include "common.cuh"

// Mean (0 unless `centred`) and reciprocal deviation of a row.
struct Moments { float mean, scale; };

template <typename T> __device__ Moments moments(const T *row, u32 width, float epsilon, bool centred) {
    float sum = 0, squares = 0;
    if (centred) for (u32 at = threadIdx.x; at < width; at += blockDim.x) sum += wide(row[at]);
    float mean = centred ? over_block<Sum>(sum, 0.f) / width : 0;
    for (u32 at = threadIdx.x; at < width; at += blockDim.x) {
        float off = wide(row[at]) - mean;
        squares += off * off;
    }
    return {mean, rsqrtf(over_block<Sum>(squares, 0.f) / width + epsilon)};
}

// One block a row of `width`:
//     sum = hidden + factor * delta, or hidden + factor * norm(delta) with `delta_weight`;
//     normed = norm(sum) * weight + bias.
// Without `delta` the sum is `hidden` and not written; without `weight` nothing is normed; `bias` may be null.
template <typename T>
__device__ void add_norm(const T *hidden, const T *delta, const T *delta_weight, const T *weight, const T *bias, T *sum, T *normed,
                         u32 width, float factor, float epsilon, u32 centred) {
    u64 first = (u64)blockIdx.x * width;
    hidden += first, sum += first, normed += first;
    if (delta) {
        delta += first;
        Moments of_delta = {0, 1};
        if (delta_weight) of_delta = moments(delta, width, epsilon, centred);
        for (u32 at = threadIdx.x; at < width; at += blockDim.x) {
            float added = (wide(delta[at]) - of_delta.mean) * of_delta.scale;
            if (delta_weight) added *= wide(delta_weight[at]);
            sum[at] = narrow<T>(wide(hidden[at]) + factor * added);
        }
        // Each thread reads again what it wrote itself.
        hidden = sum;
    }
    if (!weight) return;
    Moments of_sum = moments(hidden, width, epsilon, centred);
    for (u32 at = threadIdx.x; at < width; at += blockDim.x) {
        float value = (wide(hidden[at]) - of_sum.mean) * of_sum.scale * wide(weight[at]);
        normed[at] = narrow<T>(bias ? value + wide(bias[at]) : value);
    }
}

#define ADD_NORM(NAME, T)                                                                                                \
    extern "C" __global__ void add_norm_##NAME(const T *hidden, const T *delta, const T *delta_weight, const T *weight, \
                                               const T *bias, T *sum, T *normed, u32 width, float factor, float epsilon, \
                                               u32 centred) {                                                           \
        add_norm(hidden, delta, delta_weight, weight, bias, sum, normed, width, factor, epsilon, centred);               \
    }
FOR_TYPE(ADD_NORM)
