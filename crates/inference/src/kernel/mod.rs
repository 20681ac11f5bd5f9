//! The inner loops. Plain Rust that the compiler vectorises, compiled once more for AVX2 and FMA, and products of
//! matrices written out for AVX-512; chosen at run time.

mod attend;
#[cfg(target_arch = "x86_64")]
mod attend_avx512;
mod exp;
mod matmul;
#[cfg(target_arch = "x86_64")]
mod matmul_avx512;
mod panels;
#[cfg(target_arch = "x86_64")]
mod readers_avx512;
mod rows;
mod simd;
mod twelve;

pub(crate) use attend::{Cached, Query, Scoring, TOGETHER, attend};
pub(crate) use exp::log_sum_exp;
pub(crate) use matmul::matmul;
pub(crate) use panels::{Panels, Rows};
pub(crate) use rows::{layer_norm, rms_norm, rotate_halves, rotate_pairs, silu_times};
pub(crate) use simd::{LANES, Simd};
