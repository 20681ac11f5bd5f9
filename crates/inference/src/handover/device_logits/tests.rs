use candle_core::Device;
use gac_needs::needs;

use super::*;
use crate::device::DeviceSpec;

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    /// A row of some kind: smooth, of a few values, mostly impossible tokens, or alike but for a zero's sign.
    fn row(&mut self, vocabulary: usize) -> Vec<f32> {
        let kind = self.below(4);
        let mut row: Vec<f32> = (0..vocabulary)
            .map(|_| match kind {
                0 => self.below(1 << 20) as f32 / 40_000.0 - 20.0,
                1 => self.below(4) as f32,
                2 => [f32::NEG_INFINITY, -3.0, 7.0][self.below(40) / 19],
                _ => [0.0, -0.0][self.below(2)],
            })
            .collect();
        row[self.below(vocabulary)] = 5.0;
        row
    }
}

fn tensor(rows: &[Vec<f32>]) -> Tensor {
    tensor_on(rows, &Device::Cpu)
}

fn tensor_on(rows: &[Vec<f32>], device: &Device) -> Tensor {
    Tensor::new(rows.to_vec(), device).unwrap()
}

/// Every token of a row with its log-probability in f64, most probable first (ties: the lowest id).
fn sorted(row: &[f32]) -> LogProbs {
    let most = row.iter().copied().map(f64::from).fold(f64::NEG_INFINITY, f64::max);
    let normalizer = most + row.iter().map(|&logit| (f64::from(logit) - most).exp()).sum::<f64>().ln();
    let mut all: Vec<_> = (0..).map(TokenId).zip(row.iter().map(|&logit| f64::from(logit) - normalizer)).collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
    all
}

fn assert_told(told: &[(TokenId, f64)], expected: &[(TokenId, f64)], what: &str) {
    assert_eq!(told.len(), expected.len(), "{what}");
    for (a, b) in told.iter().zip(expected) {
        assert_eq!(a.0, b.0, "{what}");
        assert!(
            a.1.to_bits() == b.1.to_bits() || (a.1 - b.1).abs() < DeviceLogits::ROUNDING / 2.0,
            "{what}: {a:?} is not {b:?}"
        );
    }
}

#[test]
fn what_is_told_of_chunks_is_what_a_sort_of_the_whole_row_says() {
    assert_told_as_sorted(&Device::Cpu, 30);
}

#[needs(gpu)]
#[test]
fn what_a_kernel_tells_is_what_a_sort_of_the_whole_row_says() {
    assert_told_as_sorted(&DeviceSpec::Cuda(0).open().unwrap(), 6);
}

#[needs(gpu)]
#[test]
fn a_list_of_twenty_brings_down_two_hundred_bytes_of_a_row_where_there_is_a_kernel() {
    let device = DeviceSpec::Cuda(0).open().unwrap();
    let mut downloads = Downloads::default();
    let logits = tensor_on(&[Numbers(5).row(20_000), Numbers(7).row(20_000)], &device);
    let logits = DeviceLogits::new(&logits, None, 20, &mut downloads).unwrap();
    logits.tell(&[0, 1].map(|row| (row, Detail::Top(20))), &mut downloads).unwrap();
    assert_eq!(downloads.bytes, 2 * (12 + 20 * 8));
}

#[needs(gpu)]
#[test]
fn a_kernel_knows_rows_without_probabilities() {
    assert_improper_rows_are_known(&DeviceSpec::Cuda(0).open().unwrap());
}

fn assert_told_as_sorted(device: &Device, rounds: usize) {
    let mut numbers = Numbers(11);
    for vocabulary in [1, 2, 127, 128, 129, 1000, 1344, 5000] {
        for round in 0..rounds {
            let rows: Vec<Vec<f32>> = (0..=numbers.below(4)).map(|_| numbers.row(vocabulary)).collect();
            let mut downloads = Downloads::default();
            let logits = DeviceLogits::new(&tensor_on(&rows, device), None, 20, &mut downloads).unwrap();
            let ids: Vec<TokenId> = (0..9).map(|_| TokenId(numbers.below(vocabulary + 2) as u32)).collect();
            let mut wanted = Vec::new();
            for row in 0..rows.len() {
                wanted.push((row, Detail::Top([1, 3, 20, vocabulary, vocabulary + 9][numbers.below(5)])));
                wanted.push((row, Detail::Tokens(&ids[..numbers.below(10)])));
                wanted.push((row, Detail::Top(1 + numbers.below(vocabulary))));
            }
            let told = logits.tell(&wanted, &mut downloads).unwrap();
            assert_eq!(told.len(), wanted.len());
            for ((row, detail), told) in wanted.into_iter().zip(told) {
                assert!(logits.is_proper(row));
                let all = sorted(&rows[row]);
                let expected: Vec<_> = match detail {
                    Detail::Top(count) => all[..count.min(vocabulary)].to_vec(),
                    Detail::Tokens(ids) => {
                        let of = |id: &TokenId| *all.iter().find(|(a, _)| a == id).unwrap_or(&(*id, f64::NEG_INFINITY));
                        ids.iter().map(of).collect()
                    }
                };
                assert_told(&told, &expected, &format!("{detail:?} of row {row}, V {vocabulary}, round {round}"));
            }
        }
    }
}

#[test]
fn probabilities_of_a_large_vocabulary_add_up_to_one_within_the_rounding() {
    let mut numbers = Numbers(3);
    for spread in [0.5, 2.0, 8.0] {
        let row: Vec<f32> = (0..262_144).map(|_| spread * (numbers.below(1 << 20) as f32 / 65_536.0 - 8.0)).collect();
        let logits = DeviceLogits::new(&tensor(&[row]), None, 20, &mut Downloads::default()).unwrap();
        let told = logits.tell(&[(0, Detail::Top(usize::MAX))], &mut Downloads::default()).unwrap().remove(0);
        let sum: f64 = told.iter().map(|(_, log_prob)| log_prob.exp()).sum();
        assert!((sum - 1.0).abs() < DeviceLogits::ROUNDING / 2.0, "{sum}");
    }
}

#[test]
fn rows_without_probabilities_are_known_and_others_are_not_touched_by_them() {
    assert_improper_rows_are_known(&Device::Cpu);
}

fn assert_improper_rows_are_known(device: &Device) {
    let mut rows = vec![vec![1.0_f32; 300]; 5];
    rows[0][299] = f32::NAN;
    rows[1][0] = f32::NAN;
    rows[2] = vec![f32::NEG_INFINITY; 300];
    rows[3][7] = f32::INFINITY;
    let logits = DeviceLogits::new(&tensor_on(&rows, device), None, 20, &mut Downloads::default()).unwrap();
    assert_eq!([0, 1, 2, 3, 4].map(|row| logits.is_proper(row)), [false, false, false, false, true]);
    let whole = logits.distributions(&[4, 0], &mut Downloads::default()).unwrap();
    assert!((whole[0].prob(TokenId(9)) - 1.0 / 300.0).abs() < 1e-9 && whole[0].rows() == 300);
    assert!(whole[1].top().1.is_nan());
}

#[test]
fn many_rows_are_worked_on_in_parts() {
    let rows = AT_ONCE / (2 * CHUNK) / 64;
    let wide = 2 * CHUNK * 64;
    let logits = Tensor::zeros((rows + 3, wide), candle_core::DType::F32, &Device::Cpu).unwrap();
    let logits = DeviceLogits::new(&logits, None, 20, &mut Downloads::default()).unwrap();
    let last = logits.tell(&[(rows + 2, Detail::Top(2))], &mut Downloads::default()).unwrap().remove(0);
    let expected = -(wide as f64).ln();
    assert_told(&last, &[(TokenId(0), expected), (TokenId(1), expected)], "the last row");
    assert_eq!(logits.log_normalizers.len(), rows + 3);
}

#[test]
fn a_list_of_twenty_brings_down_a_thirtieth_of_a_row() {
    let vocabulary = 151_936;
    let logits = Tensor::rand(-5.0_f32, 5.0, (3, vocabulary), &Device::Cpu).unwrap();
    let mut downloads = Downloads::default();
    let logits = DeviceLogits::new(&logits, None, 20, &mut downloads).unwrap();
    logits.tell(&[0, 1, 2].map(|row| (row, Detail::Top(20))), &mut downloads).unwrap();
    let per_row = 4 * (2 * vocabulary / CHUNK + 20 * CHUNK);
    assert_eq!(downloads.bytes, 3 * per_row as u64);
    assert!(30 * per_row < 4 * vocabulary, "{per_row} bytes of {}", 4 * vocabulary);
}
