// Stands in for candle-flash-attn's entry: attention over a paged cache as its kernels compute it, by plain loops.
#include "emulator.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace {
float read(const void *from, uint64_t at, bool bf16) {
    uint16_t bits = ((const uint16_t *)from)[at];
    if (!bf16) { _Float16 value; memcpy(&value, &bits, 2); return value; }
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

uint16_t rounded(float value, bool bf16) {
    if (!bf16) { _Float16 narrow = value; uint16_t bits; memcpy(&bits, &narrow, 2); return bits; }
    uint32_t wide;
    memcpy(&wide, &value, 4);
    return value != value ? 0x7fff : (wide + 0x7fff + ((wide >> 16) & 1)) >> 16;
}
}

// As candle-flash-attn 0.11 declares it.
extern "C" void run_mha(const void *q, const void *k, const void *v, void *o, void *, const void *slopes, const int *q_ends,
                        const int *k_ends, uint32_t, uint32_t k_block, uint32_t v_block, uint32_t, uint32_t, uint32_t q_row,
                        uint32_t k_row, uint32_t v_row, uint32_t o_row, uint32_t q_head, uint32_t k_head, uint32_t v_head,
                        uint32_t o_head, uint32_t sequences, uint32_t heads, uint32_t kv_heads, uint32_t width, uint32_t,
                        float scale, uint32_t most_queries, uint32_t most_keys, uint32_t, uint32_t, uint32_t, int bf16, int causal,
                        int, int left, int right, float cap, const int *table, uint32_t table_row, int block, const int *ranges,
                        uint32_t, int, void *stream) {
    if (!table || slopes || ranges || block % 32 || width % 8) fail("flash attention that is not stood in for");
    // It reports no errors.
    if (graphs::refuse(stream)) return;
    ledger::note("launch", "flash_attention");
    for (const void *used : {q, k, v, (const void *)o, (const void *)table}) ledger::use(stream_of(stream), used, "flash attention");
    std::vector<float> scores;
    for (uint32_t sequence = 0; sequence < sequences; sequence++) {
        int first = q_ends[sequence], queries = q_ends[sequence + 1] - first, keys = k_ends[sequence + 1] - k_ends[sequence];
        if (queries > (int)most_queries || keys > (int)most_keys || queries > keys) fail("flash attention: lengths");
        const int *blocks = table + (uint64_t)sequence * table_row;
        auto place = [&](int key, uint32_t of_block, uint32_t of_row) { return (uint64_t)blocks[key / block] * of_block + key % block * of_row; };
        for (uint32_t head = 0; head < heads; head++) for (int query = 0; query < queries; query++) {
            // The last query is at the last key.
            int own = query + keys - queries, from = causal || left < 0 ? 0 : std::max(0, own - left);
            int to = causal ? own + 1 : right < 0 ? keys : std::min(keys, own + right + 1);
            uint32_t kv = head / (heads / kv_heads);
            uint64_t asked = (uint64_t)(first + query) * q_row + head * q_head;
            float most = -INFINITY, sum = 0;
            scores.assign(keys, 0);
            for (int key = from; key < to; key++) {
                float product = 0;
                for (uint32_t at = 0; at < width; at++) product += read(q, asked + at, bf16) * read(k, place(key, k_block, k_row) + kv * k_head + at, bf16);
                scores[key] = cap > 0 ? std::tanh(product * scale / cap) * cap : product * scale;
                most = std::max(most, scores[key]);
            }
            for (int key = from; key < to; key++) sum += scores[key] = std::exp(scores[key] - most);
            for (uint32_t at = 0; at < width; at++) {
                float mixed = 0;
                for (int key = from; key < to; key++) mixed += scores[key] * read(v, place(key, v_block, v_row) + kv * v_head + at, bf16);
                ((uint16_t *)o)[(uint64_t)(first + query) * o_row + head * o_head + at] = rounded(mixed / sum, bf16);
            }
        }
    }
}
