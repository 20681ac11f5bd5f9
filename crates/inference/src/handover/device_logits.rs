//! Logits that stay on the device that computed them, and what of them is brought down.
//!
//! All is said in candle's operations on whole tensors, so it is the same on every device. A row is cut into chunks. The
//! device gives the largest logit of every chunk, and every chunk's share of the normaliser; that is a 64th of the row. The
//! `k` most probable tokens lie in the `k` chunks with the largest peaks: a chunk that is left out has `k` before it, each
//! with a token that comes before all of its own. So those chunks are brought down, and nothing else.

use candle_core::{Result, Tensor};

use super::downloads::{Downloads, bytes};
use crate::ask::{Detail, LogProbs};
#[cfg(feature = "cuda")]
use crate::cpu::has_own_kernels;
#[cfg(feature = "cuda")]
use crate::cuda::logit_places::LogitPlace;
#[cfg(feature = "cuda")]
use crate::cuda::top::{ToldRow, TopTokens};
use crate::distribution::Distribution;
use crate::id::TokenId;

/// Logits that share one peak. For 150,000 rows and 20 tokens, this is where peaks and chunks together are fewest bytes; it
/// divides most vocabularies.
const CHUNK: usize = 128;
/// The most tokens that a kernel takes out of a row, one by one; for more, the row comes down.
#[cfg(feature = "cuda")]
const TOLD: usize = 1024;
/// Numbers that are exponentiated at once: bounds the memory that is taken for it on the device.
const AT_ONCE: usize = 1 << 24;

/// For logits of other devices no memory is kept.
#[cfg(not(feature = "cuda"))]
pub(super) type KeptPlace = std::convert::Infallible;
/// Memory that is kept for logits.
#[cfg(feature = "cuda")]
pub(super) type KeptPlace = LogitPlace;

/// What is known here of the large logits of rows.
#[derive(Debug)]
enum Summary {
    /// The largest logit of every chunk, `(R, C)`.
    Peaks(Vec<f32>),
    /// The most probable tokens of each row, and the kernel that tells more.
    #[cfg(feature = "cuda")]
    Lists(Vec<LogProbs>, TopTokens),
}

/// Logits `(R, V)` on their device, with what tells where a row's large ones are.
#[derive(Debug)]
pub(crate) struct DeviceLogits {
    /// `(R, C * CHUNK)`: behind the V logits of a row is negative infinity. `(R, V)` where lists are known.
    logits: Tensor,
    vocabulary: usize,
    /// Chunks of a row, C.
    chunks: usize,
    summary: Summary,
    /// `(R,)`: `log p = logit - log_normalizer`.
    log_normalizers: Vec<f64>,
}

impl DeviceLogits {
    /// What all probabilities of a row together may be off one by. Exponentials and the sums of a chunk's are f32, each to
    /// within some units in the last place; chunks are added up in f64.
    pub(crate) const ROUNDING: f64 = 2e-6;

    /// Brings down two numbers for every chunk of `logits`, f32 `(R, V)`; where there is a kernel for it, the `count` most
    /// probable tokens of every row instead. `place` is where the logits are kept.
    pub(crate) fn new(
        logits: &Tensor,
        place: Option<KeptPlace>,
        count: usize,
        downloads: &mut Downloads,
    ) -> Result<Self> {
        let (rows, vocabulary) = logits.dims2()?;
        let chunks = vocabulary.div_ceil(CHUNK).max(1);
        #[cfg(feature = "cuda")]
        if has_own_kernels(logits.device(), logits.dtype()) && TopTokens::takes(vocabulary) {
            let tops = TopTokens::new(logits, place)?;
            let told = told_rows(&tops, None, told_count(count, vocabulary), downloads)?;
            let log_normalizers = told.iter().map(|row| row.log_normalizer).collect();
            let summary = Summary::Lists(told.iter().map(log_probs).collect(), tops);
            return Ok(Self { logits: logits.contiguous()?, vocabulary, chunks, summary, log_normalizers });
        }
        #[cfg(not(feature = "cuda"))]
        let _ = (place, count);
        let logits = match chunks * CHUNK - vocabulary {
            0 => logits.contiguous()?,
            more => Tensor::cat(&[logits, &Tensor::full(f32::NEG_INFINITY, (rows, more), logits.device())?], 1)?,
        };
        let (mut all_peaks, mut log_normalizers) = (Vec::with_capacity(rows * chunks), Vec::with_capacity(rows));
        let at_once = (AT_ONCE / (chunks * CHUNK)).max(1);
        for from in (0..rows).step_by(at_once) {
            let part = logits.narrow(0, from, at_once.min(rows - from))?;
            let by_chunk = ((), chunks, CHUNK);
            let peaks = part.reshape(by_chunk)?.max(2)?;
            let weights = part.broadcast_sub(&peaks.max_keepdim(1)?)?.exp()?;
            let sums = weights.reshape(by_chunk)?.sum(2)?;
            for row in downloads.numbers(&Tensor::cat(&[peaks, sums], 1)?)?.chunks_exact(2 * chunks) {
                let (peaks, sums) = row.split_at(chunks);
                let most = peaks.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = sums.iter().copied().map(f64::from).sum();
                log_normalizers.push(f64::from(most) + sum.ln());
                all_peaks.extend_from_slice(peaks);
            }
        }
        Ok(Self { logits, vocabulary, chunks, summary: Summary::Peaks(all_peaks), log_normalizers })
    }

    /// Whether a row has probabilities: not where a logit is not a number or infinite, or all are negative infinity.
    pub(crate) fn is_proper(&self, row: usize) -> bool {
        self.log_normalizers[row].is_finite()
    }

    /// Bytes that it takes on its device.
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.logits)
    }

    /// Brings some rows down whole.
    pub(crate) fn distributions(&self, rows: &[usize], downloads: &mut Downloads) -> Result<Vec<Distribution>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        let rows = self.logits.index_select(&Tensor::new(rows, self.logits.device())?, 0)?;
        downloads.distributions(&rows.narrow(1, 0, self.vocabulary)?)
    }

    /// Tells the details of proper rows: log-probabilities of the tokens that are named, or of the most probable ones, in
    /// order (ties: the lowest id). At most two pieces come down, for all of them together.
    pub(crate) fn tell(&self, wanted: &[(usize, Detail<'_>)], downloads: &mut Downloads) -> Result<Vec<LogProbs>> {
        match &self.summary {
            Summary::Peaks(peaks) => self.tell_by_chunks(wanted, peaks, downloads),
            #[cfg(feature = "cuda")]
            Summary::Lists(lists, tops) => self.tell_by_lists(wanted, (lists, tops), downloads),
        }
    }

    fn tell_by_chunks(
        &self,
        wanted: &[(usize, Detail<'_>)],
        peaks: &[f32],
        downloads: &mut Downloads,
    ) -> Result<Vec<LogProbs>> {
        let (mut named, mut chunks) = (Vec::new(), Vec::new());
        for &(row, detail) in wanted {
            match detail {
                Detail::Tokens(ids) => {
                    let within = ids.iter().filter(|id| id.index() < self.vocabulary);
                    named.extend(within.map(|id| (row * self.chunks * CHUNK + id.index()) as u32));
                }
                Detail::Top(count) => {
                    chunks.extend(
                        self.largest_chunks(peaks, row, count).iter().map(|chunk| (row * self.chunks + chunk) as u32),
                    );
                }
            }
        }
        let named = gather(&self.logits.flatten_all()?, &named, downloads)?;
        let gathered = gather(&self.logits.reshape(((), CHUNK))?, &chunks, downloads)?;
        let mut named = named.into_iter();
        let mut chunks = chunks.iter().zip(gathered.chunks_exact(CHUNK));
        let told = |&(row, detail): &(usize, Detail<'_>)| {
            let log_prob = |logit: f32| f64::from(logit) - self.log_normalizers[row];
            match detail {
                Detail::Tokens(ids) => {
                    let mut logit = |id: &TokenId| if id.index() < self.vocabulary { named.next() } else { None };
                    ids.iter().map(|id| (*id, logit(id).map_or(f64::NEG_INFINITY, log_prob))).collect()
                }
                Detail::Top(count) => {
                    let chunks = chunks.by_ref().take(count.min(self.chunks));
                    let tokens = chunks.flat_map(|(&chunk, logits)| {
                        let first = (chunk as usize - row * self.chunks) * CHUNK;
                        (first..self.vocabulary).zip(logits).map(|(id, &logit)| (TokenId(id as u32), log_prob(logit)))
                    });
                    most_probable(tokens.collect(), count)
                }
            }
        };
        Ok(wanted.iter().map(told).collect())
    }

    /// The chunks of a row that have its `count` most probable tokens.
    fn largest_chunks(&self, peaks: &[f32], row: usize, count: usize) -> Vec<usize> {
        // A zero's sign makes no difference.
        let peak = |chunk: usize| peaks[row * self.chunks + chunk] + 0.0;
        let mut chunks: Vec<usize> = (0..self.chunks).collect();
        keep_first(&mut chunks, count, |&a, &b| peak(b).total_cmp(&peak(a)).then(a.cmp(&b)));
        chunks
    }
}

#[cfg(feature = "cuda")]
impl DeviceLogits {
    fn tell_by_lists(
        &self,
        wanted: &[(usize, Detail<'_>)],
        (lists, tops): (&[LogProbs], &TopTokens),
        downloads: &mut Downloads,
    ) -> Result<Vec<LogProbs>> {
        let is_known = |row: usize, count: usize| count.min(self.vocabulary) <= lists[row].len();
        let (mut named, mut longer, mut most) = (Vec::new(), Vec::new(), 0);
        for &(row, detail) in wanted {
            match detail {
                Detail::Tokens(ids) => {
                    let within = ids.iter().filter(|id| id.index() < self.vocabulary);
                    named.extend(within.map(|id| (row * self.vocabulary + id.index()) as u32));
                }
                Detail::Top(count) if is_known(row, count) => {}
                Detail::Top(count) => {
                    most = most.max(count.min(self.vocabulary));
                    longer.push(row as u32);
                }
            }
        }
        let mut named = gather(&self.logits.flatten_all()?, &named, downloads)?.into_iter();
        let mut longer = match most {
            0 => Vec::new(),
            1..=TOLD => told_rows(tops, Some(&longer), most, downloads)?.iter().map(log_probs).collect(),
            _ => self.sorted(&longer, downloads)?,
        }
        .into_iter();
        let told = |&(row, detail): &(usize, Detail<'_>)| match detail {
            Detail::Tokens(ids) => {
                let mut logit = |id: &TokenId| if id.index() < self.vocabulary { named.next() } else { None };
                let log_prob = |logit: f32| f64::from(logit) - self.log_normalizers[row];
                ids.iter().map(|id| (*id, logit(id).map_or(f64::NEG_INFINITY, log_prob))).collect()
            }
            Detail::Top(count) => {
                let known = is_known(row, count).then(|| lists[row].clone());
                let mut list = known.or_else(|| longer.next()).unwrap_or_default();
                list.truncate(count);
                list
            }
        };
        Ok(wanted.iter().map(told).collect())
    }

    /// All tokens of some rows, which come down whole, in order.
    fn sorted(&self, rows: &[u32], downloads: &mut Downloads) -> Result<Vec<LogProbs>> {
        let logits = gather(&self.logits, rows, downloads)?;
        let sorted = logits.chunks_exact(self.vocabulary).zip(rows).map(|(logits, &row)| {
            let log_prob = |&logit: &f32| f64::from(logit) - self.log_normalizers[row as usize];
            most_probable((0..).map(TokenId).zip(logits.iter().map(log_prob)).collect(), self.vocabulary)
        });
        Ok(sorted.collect())
    }
}

/// How many tokens a kernel tells where `count` are wanted.
#[cfg(feature = "cuda")]
pub(super) fn told_count(count: usize, vocabulary: usize) -> usize {
    count.min(vocabulary).min(TOLD)
}

/// What a device tells of rows.
#[cfg(feature = "cuda")]
fn told_rows(tops: &TopTokens, rows: Option<&[u32]>, count: usize, downloads: &mut Downloads) -> Result<Vec<ToldRow>> {
    let told = tops.tell(rows, count)?;
    let width = told.dim(1)?;
    Ok(downloads.words(&told)?.chunks_exact(width).map(ToldRow::read).collect())
}

#[cfg(feature = "cuda")]
fn log_probs(row: &ToldRow) -> LogProbs {
    row.tokens.iter().map(|&(token, logit)| (TokenId(token), f64::from(logit) - row.log_normalizer)).collect()
}

/// The first `count` by log-probability, in order.
fn most_probable(mut tokens: LogProbs, count: usize) -> LogProbs {
    let order = |a: &(TokenId, f64), b: &(TokenId, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    keep_first(&mut tokens, count, order);
    tokens.sort_unstable_by(order);
    tokens
}

/// Keeps the first `count` in an order, in no order.
fn keep_first<T>(all: &mut Vec<T>, count: usize, order: impl Fn(&T, &T) -> std::cmp::Ordering) {
    if (1..all.len()).contains(&count) {
        all.select_nth_unstable_by(count - 1, order);
    }
    all.truncate(count);
}

/// The numbers at some places of the first axis.
fn gather(tensor: &Tensor, places: &[u32], downloads: &mut Downloads) -> Result<Vec<f32>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    downloads.numbers(&tensor.index_select(&Tensor::new(places, tensor.device())?, 0)?)
}

#[cfg(test)]
mod tests {
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
                            let of =
                                |id: &TokenId| *all.iter().find(|(a, _)| a == id).unwrap_or(&(*id, f64::NEG_INFINITY));
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
            let row: Vec<f32> =
                (0..262_144).map(|_| spread * (numbers.below(1 << 20) as f32 / 65_536.0 - 8.0)).collect();
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
}
