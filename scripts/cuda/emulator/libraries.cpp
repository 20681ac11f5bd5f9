// The libraries beside the driver: cuBLAS's products, cuRAND, and names of kernels that are linked.
#include "emulator.hpp"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace {
enum Type { F32 = 0, F16 = 2, BF16 = 14 };

float read(const void *from, uint64_t at, int type) {
    if (type == F32) return ((const float *)from)[at];
    uint16_t bits = ((const uint16_t *)from)[at];
    if (type == BF16) { uint32_t wide = (uint32_t)bits << 16; float value; memcpy(&value, &wide, 4); return value; }
    if (type != F16) fail("cuBLAS: type %d", type);
    _Float16 value;
    memcpy(&value, &bits, 2);
    return value;
}

void write(void *to, uint64_t at, int type, float value) {
    if (type == F32) { ((float *)to)[at] = value; return; }
    uint16_t bits;
    if (type == BF16) {
        uint32_t wide;
        memcpy(&wide, &value, 4);
        // To the nearest, ties to even.
        bits = value != value ? 0x7fff : (wide + 0x7fff + ((wide >> 16) & 1)) >> 16;
    } else {
        _Float16 narrow = (_Float16)value;
        memcpy(&bits, &narrow, 2);
    }
    ((uint16_t *)to)[at] = bits;
}

float dot(const float *a, const float *b, int count) {
    float sums[16] = {};
    int at = 0;
    for (; at + 16 <= count; at += 16) for (int lane = 0; lane < 16; lane++) sums[lane] += a[at + lane] * b[at + lane];
    float sum = 0;
    for (float lane : sums) sum += lane;
    for (; at < count; at++) sum += a[at] * b[at];
    return sum;
}
}

extern "C" {
int cublasCreate_v2(void **handle) { *handle = new void *(nullptr); return OK; }
int cublasDestroy_v2(void *) { return OK; }
int cublasSetStream_v2(void **handle, void *stream) { *handle = stream; return OK; }

// Matrices are stored by columns; sums are f32.
int cublasGemmStridedBatchedEx(void **handle, int turn_a, int turn_b, int m, int n, int k, const void *alpha, const void *a,
                               int type_a, int lda, long long stride_a, const void *b, int type_b, int ldb, long long stride_b,
                               const void *beta, void *c, int type_c, int ldc, long long stride_c, int batch, int compute, int) {
    if (lda < (turn_a ? k : m) || ldb < (turn_b ? n : k) || ldc < m) return 7;
    // CUBLAS_COMPUTE_16F has its factors in f16.
    int type = compute == 64 ? F16 : F32;
    float by = read(alpha, 0, type), keep = read(beta, 0, type);
    return graphs::put(*handle, [=](Stream *stream) {
        ledger::note("launch", "gemm");
        for (const void *operand : {a, b, (const void *)c}) ledger::use(stream, operand, "a product");
        std::vector<float> rows((size_t)m * k), column(k);
        for (int at = 0; at < batch; at++) {
            for (int i = 0; i < m; i++) for (int x = 0; x < k; x++) {
                rows[(size_t)i * k + x] = read(a, at * stride_a + (turn_a ? (uint64_t)i * lda + x : (uint64_t)x * lda + i), type_a);
            }
            for (int j = 0; j < n; j++) {
                for (int x = 0; x < k; x++) column[x] = read(b, at * stride_b + (turn_b ? (uint64_t)x * ldb + j : (uint64_t)j * ldb + x), type_b);
                for (int i = 0; i < m; i++) {
                    uint64_t place = at * stride_c + (uint64_t)j * ldc + i;
                    float before = keep ? keep * read(c, place, type_c) : 0;
                    write(c, place, type_c, by * dot(&rows[(size_t)i * k], column.data(), k) + before);
                }
            }
        }
    });
}

static std::mt19937 generator;
int curandCreateGenerator(void **handle, int) { *handle = &generator; return OK; }
int curandDestroyGenerator(void *) { return OK; }
int curandSetPseudoRandomGeneratorSeed(void *, unsigned long long seed) { generator.seed(seed); return OK; }
int curandSetStream(void *, void *) { return OK; }
int curandGenerateUniform(void *, float *to, size_t count) {
    for (size_t at = 0; at < count; at++) to[at] = std::uniform_real_distribution<float>()(generator);
    return OK;
}
int curandGenerateNormal(void *, float *to, size_t count, float mean, float deviation) {
    for (size_t at = 0; at < count; at++) to[at] = std::normal_distribution<float>(mean, deviation)(generator);
    return OK;
}

// candle-kernels links some kernels, of which the stand-in compiler makes none. Their launches stand in tables, so they have to
// be there; nothing of ours calls them.
#define LINKED(NAME) \
    int NAME() { fail("%s of candle-kernels", #NAME); }
#define LINKED_PRODUCTS(TYPE)                     \
    LINKED(launch_mmq_gguf_##TYPE)                \
    LINKED(launch_mmvq_gguf_##TYPE##_f32_plain)   \
    LINKED(launch_mmvq_gguf_##TYPE##_f16_plain)   \
    LINKED(launch_mmvq_gguf_##TYPE##_bf16_plain)
LINKED_PRODUCTS(q4_0)
LINKED_PRODUCTS(q4_1)
LINKED_PRODUCTS(q5_0)
LINKED_PRODUCTS(q5_1)
LINKED_PRODUCTS(q8_0)
LINKED_PRODUCTS(q2_k)
LINKED_PRODUCTS(q3_k)
LINKED_PRODUCTS(q4_k)
LINKED_PRODUCTS(q5_k)
LINKED_PRODUCTS(q6_k)
LINKED(launch_mmq_quantize_q8_1_D4)
LINKED(launch_mmq_quantize_q8_1_DS4)
LINKED(launch_mmq_quantize_q8_1_D2S6)
LINKED(launch_mmvq_gguf_quantize_q8_1_f32)
LINKED(launch_mmvq_gguf_quantize_q8_1_f16)
LINKED(launch_mmvq_gguf_quantize_q8_1_bf16)
}
