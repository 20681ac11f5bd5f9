mod rates;

use std::ops::Range;

use half::{bf16, f16};

use super::*;
use crate::kernel::blocks::BlockType;
use crate::kernel::panels::{DenseRows, Format};
use crate::kernel::round::round;
use crate::kernel::rows::gate_times;
use crate::kernel::simd::{BASELINE_FMA, multiply_add};
use crate::kernel::unpack::unpack_row;
use crate::named::Named;

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
}

/// In f64.
fn reference(x: &[f32], weights: &[f32], k: usize) -> Vec<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    x.chunks(k).flat_map(|x| weights.chunks(k).map(move |w| dot(x, w))).collect()
}

/// An error that sums of so many products of up to 1 may have.
fn tolerance(k: usize) -> f64 {
    2e-7 * k as f64 + 2e-6
}

/// In f32.
fn matmul(simd: Simd, x: &[f32], weights: &[Panels]) -> Vec<f32> {
    super::matmul(simd, x, weights)
}

/// Of an `x` that is rounded where it is to be.
fn matmul_in(compute: ComputeType, simd: Simd, x: &[f32], weights: &[Panels]) -> Vec<f32> {
    match compute {
        ComputeType::F32 => matmul(simd, x, weights),
        ComputeType::Bf16 => super::matmul(simd, &short(simd, x), weights),
    }
}

fn short(simd: Simd, x: &[f32]) -> Vec<bf16> {
    let mut short = vec![bf16::ZERO; x.len()];
    round(simd, x, &mut short);
    short
}

fn product(simd: Simd, x: &[f32], panels: Panels) -> Vec<f32> {
    matmul(simd, x, &[panels])
}

/// Shapes with rows and columns left over everywhere, few rows and many, one part of the buffer and several.
const SHAPES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 13, 64),
    (5, 6, 48),
    (4, 7, 100),
    (31, 31, 33),
    (2, 700, 576),
    (27, 75, 600),
    (103, 64, 264),
    (530, 33, 16),
];

#[test]
fn products_agree_with_f64_arithmetic_for_every_type_and_shape() {
    for (m, n, k) in SHAPES {
        let (x, weights) = (values(m * k, 1), values(n * k, 2));
        let short: Vec<bf16> = weights.iter().map(|&w| bf16::from_f32(w)).collect();
        let half: Vec<f16> = weights.iter().map(|&w| f16::from_f32(w)).collect();
        let short_wide: Vec<f32> = short.iter().map(|w| w.to_f32()).collect();
        let half_wide: Vec<f32> = half.iter().map(|w| w.to_f32()).collect();
        for simd in Simd::every() {
            for (rows, wide) in [
                (DenseRows::F32(&weights), &weights),
                (DenseRows::Bf16(&short), &short_wide),
                (DenseRows::F16(&half), &half_wide),
            ] {
                let out = product(simd, &x, Panels::pack(rows, k, simd));
                assert_eq!(out.len(), m * n);
                for (out, expected) in out.iter().zip(reference(&x, wide, k)) {
                    let error = (f64::from(*out) - expected).abs();
                    assert!(error < tolerance(k), "{simd:?} {m} {n} {k}: {error}");
                }
            }
        }
    }
}

#[test]
fn fused_multiplications_of_arrays_as_on_arm_agree_with_f64_arithmetic() {
    let (m, n, k) = (7, 37, 600);
    let (x, weights) = (values(m * k, 1), values(n * k, 2));
    let panels = Panels::pack(DenseRows::F32(&weights), k, Simd::detect());
    let mut out = vec![f32::NAN; m * n];
    let place = Out { at: out.as_mut_ptr(), n, column: 0 };
    let product = Product { simd: Simd::detect(), x: &x, stride: k, m, weights: &panels, out: place };
    with_source!(panels, W => product.panels_plain::<Portable<true>, W>(0, panels.count()));
    for (out, expected) in out.iter().zip(reference(&x, &weights, k)) {
        assert!((f64::from(*out) - expected).abs() < tolerance(k));
    }
}

/// Weights as a model has them: most of one size, a few tiny, one row nothing but zeros.
fn weights_of_a_model(n: usize, k: usize) -> Vec<bf16> {
    let value = |(i, value): (usize, f32)| match (i / k, i % 3701) {
        (3, _) => 0.0,
        (_, 5) => value * 1e-9,
        _ => value * 0.05 + 1e-4,
    };
    values(n * k, 4).into_iter().enumerate().map(|weight| bf16::from_f32(value(weight))).collect()
}

#[test]
fn weights_in_twelve_bits_give_the_bits_that_sixteen_give() {
    for (m, n, k) in [(1, 128, 576), (3, 79, 64), (16, 33, 80), (33, 81, 304)] {
        let (x, weights) = (values(m * k, 1), weights_of_a_model(n, k));
        let wide: Vec<f32> = weights.iter().map(|weight| weight.to_f32()).collect();
        for simd in Simd::every() {
            let panels = Panels::pack(DenseRows::Bf16(&weights), k, simd);
            let compact = simd.reads_bf12() && n > 64;
            assert_eq!(panels.format == Format::Bf12, compact, "{simd:?}");
            let out = matmul(simd, &x, std::slice::from_ref(&panels));
            assert_eq!(out, product(simd, &x, Panels::pack(DenseRows::F32(&wide), k, simd)), "{simd:?} {m} {n} {k}");
        }
    }
}

#[test]
fn rows_come_out_of_panels_as_they_went_in() {
    let (n, k) = (75, 104);
    let weights = weights_of_a_model(n, k);
    for simd in Simd::every() {
        let panels = Panels::pack(DenseRows::Bf16(&weights), k, simd);
        let mut row = vec![f32::NAN; k];
        for at in 0..n {
            unpack_row(&panels, at, &mut row);
            let expected: Vec<f32> = weights[at * k..][..k].iter().map(|weight| weight.to_f32()).collect();
            assert_eq!(row, expected, "{simd:?}, row {at}");
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_every_batch_and_on_any_number_of_threads() {
    let (m, n, k) = (101, 130, 600);
    let x = values(m * k, 3);
    let weights = weights_of_a_model(n, k);
    let wide: Vec<f32> = weights.iter().map(|weight| weight.to_f32()).collect();
    let half: Vec<f16> = wide.iter().map(|&weight| f16::from_f32(weight)).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let every = |simd| ComputeType::all().into_iter().map(move |compute| (simd, compute));
    for (simd, compute) in Simd::every().into_iter().flat_map(every) {
        for rows in [DenseRows::Bf16(&weights), DenseRows::F16(&half), DenseRows::F32(&wide)] {
            let panels = [Panels::pack(rows, k, simd)];
            let matmul = |x: &[f32]| matmul_in(compute, simd, x, &panels);
            let all = matmul(&x);
            assert_eq!(pool.install(|| matmul(&x)), all);
            for size in (1..=24).chain([33, 64]) {
                let parts: Vec<f32> = x.chunks(size * k).flat_map(matmul).collect();
                assert_eq!(parts, all, "{simd:?} {compute:?} {:?} in batches of {size}", panels[0].format);
            }
        }
    }
}

#[test]
fn a_gated_product_has_the_bits_of_its_two_steps() {
    let width = 80;
    for (m, k) in [(1, 64), (3, 600), (24, 256), (70, 576), (530, 64)] {
        let (x, weights) = (values(m * k, 3), weights_of_a_model(2 * width, k));
        let every = |simd| ComputeType::all().into_iter().map(move |compute| (simd, compute));
        for (simd, compute) in Simd::every().into_iter().flat_map(every) {
            let pack = |weights: &[bf16]| Panels::pack(DenseRows::Bf16(weights), k, simd);
            let (gates, values) = weights.split_at(width * k);
            let joined = [pack(&weights)];
            let apart = [pack(gates), pack(values)];
            for gate in [GateActivation::Silu, GateActivation::GeluTanh] {
                let both = matmul_in(compute, simd, &x, &joined);
                let mut expected = vec![0f32; m * width];
                for (both, out) in both.chunks_exact(2 * width).zip(expected.chunks_exact_mut(width)) {
                    gate_times(simd, gate, &both[..width], &both[width..], out);
                }
                for panels in [&joined[..], &apart] {
                    let panels = GatePanels::of(panels).unwrap();
                    let agrees = match compute {
                        ComputeType::F32 => gated_matmul(simd, &x, gate, panels) == expected,
                        ComputeType::Bf16 => {
                            gated_matmul(simd, &short(simd, &x), gate, panels) == short(simd, &expected)
                        }
                    };
                    assert!(agrees, "{simd:?} {compute:?} {gate:?} {m} {k}");
                }
            }
        }
    }
}

#[test]
fn a_product_that_is_added_has_the_bits_of_a_sum_of_two() {
    for (m, k, widths) in [(1, 64, [7, 30]), (3, 600, [16, 48]), (24, 256, [100, 33]), (530, 64, [200, 40])] {
        let (x, n) = (values(m * k, 3), widths[0] + widths[1]);
        let y = values(m * n, 5);
        let every = |simd| ComputeType::all().into_iter().map(move |compute| (simd, compute));
        for (simd, compute) in Simd::every().into_iter().flat_map(every) {
            let panels = widths.map(|n| Panels::pack(DenseRows::Bf16(&weights_of_a_model(n, k)), k, simd));
            let product = matmul_in(compute, simd, &x, &panels);
            let expected: Vec<f32> = y.iter().zip(&product).map(|(y, product)| y + product).collect();
            let added = match compute {
                ComputeType::F32 => added_matmul(simd, &x, &panels, &y),
                ComputeType::Bf16 => added_matmul(simd, &short(simd, &x), &panels, &y),
            };
            assert!(added == expected, "{simd:?} {compute:?} {m} {k}");
        }
    }
}

#[test]
fn matrices_that_do_not_part_between_panels_are_no_gates_and_values() {
    let pack = |n: usize| Panels::pack(DenseRows::F32(&vec![0f32; n * 8]), 8, Simd::detect());
    let parts = |of: &[usize]| GatePanels::of(&of.iter().map(|&n| pack(n)).collect::<Vec<_>>()).is_some();
    assert!(parts(&[32]) && parts(&[16, 16]) && parts(&[96]));
    assert!(!parts(&[16]) && !parts(&[33]) && !parts(&[48]) && !parts(&[16, 32]) && !parts(&[8, 8]));
    assert!(!parts(&[16, 16, 16]));
}

#[test]
fn in_bfloat16_products_of_every_kind_are_those_of_rounded_inputs_and_of_bf16_the_same_bits_but_for_tiles() {
    let rounded = |values: &[f32]| values.iter().map(|&x| bf16::from_f32(x).to_f32()).collect::<Vec<_>>();
    for (m, n, k) in [(1, 33, 256), (3, 20, 512), (37, 75, 768), (50, 17, 2560)] {
        let x = values(m * k, 5);
        for (name, panels) in every_kind(n, k) {
            let mut weights = vec![0f32; n * k];
            weights.chunks_mut(k).enumerate().for_each(|(row, out)| unpack_row(&panels, row, out));
            let expected = reference(&rounded(&x), &rounded(&weights), k);
            let largest = expected.iter().fold(1f64, |largest, value| largest.max(value.abs()));
            let panels = [panels];
            let all = Simd::every().into_iter().map(|simd| (simd, matmul_in(ComputeType::Bf16, simd, &x, &panels)));
            let (tiles, all): (Vec<_>, Vec<_>) = all.partition(|(simd, _)| simd.multiplies_tiles());
            for (_, all) in [&all[0]].into_iter().chain(&tiles) {
                for (out, expected) in all.iter().zip(&expected) {
                    assert!((f64::from(*out) - expected).abs() < 1e-5 * largest, "{name} {m} {n} {k}");
                }
            }
            // Products of two bfloat16 are exact, fused with the sum or not. (What a quantised weight stands for is
            // rounded once or twice.)
            if name == "bf16" {
                assert!(all.iter().all(|(_, out)| *out == all[0].1), "{m} {n} {k}");
                let plain = || in_tiles(&rounded(&x), &rounded(&weights), k);
                assert!(tiles.iter().all(|(_, out)| *out == plain()), "{m} {n} {k}");
            }
        }
    }
}

/// What tiles give: of 32 steps the even and the odd ones are added up apart, and the sums of 1024 are added up.
fn in_tiles(x: &[f32], weights: &[f32], k: usize) -> Vec<f32> {
    let of_tile = |x: &[f32], w: &[f32]| {
        let sum = |from: usize| {
            x.iter().zip(w).skip(from).step_by(2).fold(0f32, |sum, (&x, &w)| multiply_add::<BASELINE_FMA>(x, w, sum))
        };
        sum(0) + sum(1)
    };
    let of_part = |x: &[f32], w: &[f32]| x.chunks(32).zip(w.chunks(32)).fold(0f32, |sum, (x, w)| sum + of_tile(x, w));
    let dot = |x: &[f32], w: &[f32]| {
        let sums = x.chunks(1024).zip(w.chunks(1024)).map(|(x, w)| of_part(x, w));
        sums.reduce(|sum, part| sum + part).unwrap_or_default()
    };
    x.chunks(k).flat_map(|x| weights.chunks(k).map(move |w| dot(x, w))).collect()
}

#[test]
fn the_plain_version_of_tiles_agrees_with_f64_arithmetic() {
    let rounded = |values: Vec<f32>| values.iter().map(|&x| bf16::from_f32(x).to_f32()).collect::<Vec<_>>();
    let (m, n, k) = (3, 5, 2100);
    let (x, weights) = (rounded(values(m * k, 1)), rounded(values(n * k, 2)));
    for (out, expected) in in_tiles(&x, &weights, k).iter().zip(reference(&x, &weights, k)) {
        assert!((f64::from(*out) - expected).abs() < tolerance(k));
    }
}

/// A matrix of every kind, and what it is called.
fn every_kind(n: usize, k: usize) -> Vec<(&'static str, Panels)> {
    let (simd, weights) = (Simd::detect(), weights_of_a_model(n, k));
    let mut all = vec![("bf16", Panels::pack(DenseRows::Bf16(&weights), k, simd))];
    for kind in BlockType::ALL.into_iter().filter(|kind| k.is_multiple_of(kind.weights())) {
        // A scale is a small number whatever of these it is.
        let bytes = |rows: Range<usize>, out: &mut [u8]| -> Result<(), std::convert::Infallible> {
            out.iter_mut().zip(rows.start * 7..).for_each(|(byte, at)| *byte = (at * 37 % 29) as u8);
            Ok(())
        };
        all.push((kind.name(), Panels::pack_blocks(kind, (n, k), bytes).unwrap()));
    }
    all
}
