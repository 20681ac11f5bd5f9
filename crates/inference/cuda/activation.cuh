// Activations by number.
#pragma once

#include "common.cuh"

enum Activation : u32 { Silu, GeluTanh, Gelu };

__device__ inline float activated(float x, u32 activation) {
    switch (activation) {
    case Silu: return x / (1 + expf(-x));
    case GeluTanh: return 0.5f * x * (1 + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
    default: return 0.5f * x * (1 + erff(x * 0.7071067811865476f));
    }
}
