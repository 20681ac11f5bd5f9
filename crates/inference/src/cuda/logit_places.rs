//! Memory for the logits of steps and for what is found out about them, kept between steps.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use super::launch::to_fill;

/// Logits that compete before others, as the kernels have it.
pub(super) const CHUNK: usize = 128;

/// What comes down of a row before its tokens: the largest logit, and the sum of exponentials in two halves.
pub(super) const BEFORE: usize = 3;

/// Rows for which memory is kept: beyond them, taking it costs little beside the step.
const ROWS: usize = 256;

/// Memory for logits, of which a part may be taken as often as it was given back.
#[derive(Debug, Default)]
pub(crate) struct LogitPlaces {
    places: Vec<LogitPlace>,
}

/// A place for some rows, taken until its last clone is gone.
#[derive(Clone, Debug)]
pub(crate) struct LogitPlace {
    /// f32 `(R, V)`.
    pub(crate) logits: Tensor,
    /// The best token of each chunk, and its share of the normaliser: `(R, chunks)`.
    pub(super) best: Tensor,
    pub(super) sums: Tensor,
    /// Room for so many tokens told of each row, `(R, BEFORE + 2 count)`.
    pub(super) told: Tensor,
    taken: Arc<()>,
}

impl LogitPlaces {
    /// A place for `rows` rows of `vocabulary` logits, of which `count` tokens are told; none where it is not worth keeping.
    pub(crate) fn take(
        &mut self,
        (rows, vocabulary): (usize, usize),
        count: usize,
        device: &Device,
    ) -> Result<Option<LogitPlace>> {
        if !(1..=ROWS).contains(&rows) {
            return Ok(None);
        }
        let all = rows.next_power_of_two();
        let is_free = |place: &LogitPlace| {
            Arc::strong_count(&place.taken) == 1
                && place.logits.dims() == [all, vocabulary]
                && place.told.dims() == [all, BEFORE + 2 * count]
                && place.logits.device().same_device(device)
        };
        if let Some(place) = self.places.iter().find(|place| is_free(place)) {
            return place.first(rows).map(Some);
        }
        // One that is free and not as it should be was for other batches.
        self.places.retain(|place| Arc::strong_count(&place.taken) > 1);
        let chunks = vocabulary.div_ceil(CHUNK);
        let place = LogitPlace {
            logits: to_fill((all, vocabulary), DType::F32, device)?,
            best: to_fill((all, chunks), DType::I64, device)?,
            sums: to_fill((all, chunks), DType::F32, device)?,
            told: to_fill((all, BEFORE + 2 * count), DType::U32, device)?,
            taken: Arc::new(()),
        };
        self.places.push(place.clone());
        place.first(rows).map(Some)
    }
}

impl LogitPlace {
    fn first(&self, rows: usize) -> Result<Self> {
        let [logits, best, sums, told] =
            [&self.logits, &self.best, &self.sums, &self.told].map(|part| part.narrow(0, 0, rows));
        Ok(Self { logits: logits?, best: best?, sums: sums?, told: told?, taken: Arc::clone(&self.taken) })
    }
}
