//! The inner loops. Products of matrices and attention are written over [`vector::Vector`] and compiled for AVX-512, AVX2
//! and for plain arrays; the rest is plain Rust that the compiler vectorises, compiled once more for AVX2. Chosen at run
//! time. On aarch64 the arrays are what NEON has, with fused multiply-add.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod amx_tiles;
mod attend;
#[cfg(target_arch = "x86_64")]
mod attend_amx;
mod attend_pairs;
#[cfg(target_arch = "x86_64")]
mod attend_pairs_avx512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod attend_together;
mod bf12;
mod bf12_reader;
mod blocks;
mod cache_layout;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod cached_steps;
mod decoded_range;
mod exp;
mod gated;
mod layout;
mod matmul;
#[cfg(target_arch = "x86_64")]
mod matmul_avx2;
#[cfg(target_arch = "x86_64")]
mod matmul_avx512;
mod micro_kernels;
mod new_rows;
mod outputs;
#[cfg(target_arch = "x86_64")]
mod pair_sources;
mod pairs;
#[cfg(target_arch = "x86_64")]
mod pairs_amx;
#[cfg(target_arch = "x86_64")]
mod pairs_avx512;
mod panels;
mod product_value;
mod readers;
mod round;
mod rows;
mod scoring;
mod simd;
mod sources;
mod swapped_pairs;
mod unpack;
mod vector;

pub(crate) use attend::attend;
pub(crate) use attend_pairs::{attend_in_pairs, together_in_pairs};
pub(crate) use attend_together::TOGETHER;
pub(crate) use blocks::{BlockType, quantise_q8_0};
pub(crate) use cache_layout::{components_together, store_key, store_key_in_pairs, store_value, store_value_in_pairs};
pub(crate) use exp::log_sum_exp;
pub(crate) use gated::GatePanels;
pub(crate) use matmul::{added_matmul, gated_matmul, matmul};
pub(crate) use new_rows::{new_parts, new_rows};
pub(crate) use panels::{DenseRows, Panels};
pub(crate) use product_value::ProductValue;
pub(crate) use rows::{GateActivation, gate_times, layer_norm, rms_norm, rotate_halves, rotate_pairs};
pub(crate) use scoring::{BLOCK, Cached, HeadQuery, Scoring};
pub(crate) use simd::{LANES, Simd};
pub(crate) use unpack::{unpack, unpack_row};
