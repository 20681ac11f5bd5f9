/* What a translated kernel is made of, for the emulator and for the C that `translate.py` writes. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A thread of a block. Addresses of shared memory are counted from `shared`; what the launch adds begins at `dynamic`. */
typedef struct Thread {
    uint32_t tid[3], ntid[3], ctaid[3], nctaid[3], lane;
    char *shared;
    uint32_t dynamic;
    void (*barrier)(struct Thread *);
    uint32_t (*exchange)(struct Thread *, uint32_t value, uint32_t lane, uint32_t mask);
    /* sums += a * b of a warp's tiles, 16 by 16 and 16 by 8 (PTX ISA, mma.m16n8k16). */
    void (*multiply_tiles)(struct Thread *, float sums[4], const uint32_t a[4], const uint32_t b[2], int is_bf16);
    uint32_t turn, left[2];
    float tiles[2][12];
} Thread;

typedef void (*Body)(Thread *, char **);

/* A kernel: bytes of shared memory that it declares, whether its threads wait for each other, and its parameters' sizes,
 * a byte each. */
typedef struct Translated {
    Body body;
    uint32_t shared;
    int waits;
    const char *sizes;
    uint32_t parameters;
} Translated;

#ifdef __cplusplus
}
#endif
