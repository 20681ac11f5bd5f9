//! Finding the few large ones among 150,000 logits.

/// Logits that share one maximum.
const CHUNK: usize = 128;

/// Largest logit of every chunk: most of a vocabulary never has to be looked at again.
pub(crate) struct Peaks<'a> {
    logits: &'a [f32],
    /// `(V / CHUNK,)`, rounded up.
    of_chunk: Vec<f32>,
}

impl<'a> Peaks<'a> {
    pub(crate) fn new(logits: &'a [f32]) -> Self {
        Self { logits, of_chunk: logits.chunks(CHUNK).map(largest).collect() }
    }

    /// The first of the largest logits.
    pub(crate) fn first(&self) -> Option<usize> {
        let peak = largest(&self.of_chunk);
        let chunk = self.of_chunk.iter().position(|&most| most >= peak)?;
        let start = chunk * CHUNK;
        self.logits[start..].iter().position(|&logit| logit >= peak).map(|at| start + at)
    }

    /// Indices of at least the `k` largest logits, ascending, and not many more; none where there are too few chunks to
    /// know them by.
    pub(crate) fn largest_at_least(&self, k: usize) -> Option<impl Iterator<Item = usize>> {
        if k == 0 || k > self.of_chunk.len() {
            return None;
        }
        let mut peaks = self.of_chunk.clone();
        // Each of the k chunks with the largest peaks has one logit that is as large as this.
        let (_, &mut cut, _) = peaks.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        Some(self.at_least(cut))
    }

    /// Indices of the logits that are at least `cut`, ascending.
    pub(crate) fn at_least(&self, cut: f32) -> impl Iterator<Item = usize> {
        let chunks = self.logits.chunks(CHUNK).zip(&self.of_chunk).enumerate();
        chunks.filter(move |(_, (_, most))| **most >= cut).flat_map(move |(chunk, (logits, _))| {
            let large = logits.iter().enumerate().filter(move |(_, logit)| **logit >= cut);
            large.map(move |(at, _)| chunk * CHUNK + at)
        })
    }
}

/// The largest of `logits`, by lanes, so that it becomes vector instructions; negative infinity for none.
fn largest(logits: &[f32]) -> f32 {
    let max = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (whole, rest) = logits.as_chunks::<16>();
    for part in whole {
        for (lane, &logit) in lanes.iter_mut().zip(part) {
            *lane = max(*lane, logit);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_found_wherever_they_are() {
        for length in [1, 15, 128, 129, 1000] {
            for at in [0, length / 2, length - 1] {
                let mut logits = vec![-3.0; length];
                logits[at] = 2.0;
                logits[length - 1] = 2.0;
                let peaks = Peaks::new(&logits);
                assert_eq!(peaks.first(), Some(at), "{length}");
                let mut expected = vec![at, length - 1];
                expected.dedup();
                assert_eq!(peaks.at_least(2.0).collect::<Vec<_>>(), expected);
                assert_eq!(peaks.at_least(-3.0).count(), length);
            }
        }
        assert_eq!(Peaks::new(&[]).first(), None);
        assert_eq!(Peaks::new(&[f32::NAN]).first(), None);
    }
}
