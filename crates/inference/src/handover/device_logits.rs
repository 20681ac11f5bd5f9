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
mod tests;
