//! One forward of some models, over all that is in flight.

use std::time::Instant;

use gac_inference::{Distribution, Extension, LanguageModel, ModelError, Wanted};

use crate::devices::at_once;
use crate::forward_pace::ForwardPace;
use crate::lanes::lane::{Lane, Read};
use crate::member::Member;
use crate::schedule::in_flight::InFlight;

/// A text is short when no more is left of it to read, and it is no longer than [`SHALLOW`]. It has room of its own: it waits
/// for no long one.
const SHORT: usize = 16;
/// Behind more tokens than this each one takes much longer: the end of a long text is read as the rest of it was.
const SHALLOW: usize = 1024;

/// What a lane has to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    /// What follows a token that was just emitted.
    Next,
    /// A short text, or the rest of one.
    Short,
    /// A long text, or the rest of one.
    Long,
}

impl Owed {
    fn of(lane: &Lane, owed: usize, is_streaming: bool) -> Self {
        match owed <= SHORT {
            true if is_streaming => Self::Next,
            true if lane.length() <= SHALLOW => Self::Short,
            _ => Self::Long,
        }
    }
}

/// Why a model did not read what it was to read.
#[derive(Debug)]
pub(crate) enum Stuck {
    /// Its cache is full.
    Full,
    /// It does not take the tokens of some of what is in flight, by place.
    Refused { guilty: Vec<usize>, error: ModelError },
    /// It failed.
    Gone(ModelError),
}

impl From<ModelError> for Stuck {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::CacheFull { .. } => Self::Full,
            error => Self::Gone(error),
        }
    }
}

/// What a lane reads in a forward.
struct Share {
    /// The place in flight.
    at: usize,
    member: usize,
    slot: usize,
    read: Read,
    /// Whether it is of a text, and not what follows a token that was just emitted.
    of_text: bool,
}

impl Share {
    fn extension(&self) -> Extension<'_> {
        let Read { sequence, ids, wanted, .. } = &self.read;
        Extension { sequence: *sequence, tokens: ids, wanted: Wanted::At(wanted) }
    }
}

/// One forward of each model of a `wave`, all at the same time, over everything that is in flight; by model, in order.
///
/// What comes first in flight reads first. Texts read about `chunk` tokens together: short ones before long ones, which read
/// at least a quarter of it. What does not fit waits for the next step. A token that was just emitted never
/// waits. Gives how many tokens of texts each read, and tells `paces` how long forwards took.
pub(crate) fn read(
    models: &mut [Member],
    in_flight: &mut [InFlight],
    wave: &[usize],
    chunk: usize,
    paces: &mut [ForwardPace],
) -> Vec<Result<usize, Stuck>> {
    let mut shares: Vec<Result<Vec<Share>, Stuck>> = Vec::with_capacity(wave.len());
    for &model in wave {
        shares.push(share_out(model, &mut *models[model].model, in_flight, chunk));
    }
    let jobs = wave.iter().zip(&shares).filter_map(|(&model, shares)| {
        let batch: Vec<Extension<'_>> = shares.as_ref().ok()?.iter().map(Share::extension).collect();
        Some((model, batch))
    });
    let timed = |model: &mut dyn LanguageModel, batch: Vec<Extension<'_>>| {
        let since = Instant::now();
        (extend(model, &batch), since.elapsed())
    };
    let mut results = at_once(models, jobs.collect(), timed).into_iter();
    let mut outcomes = Vec::with_capacity(wave.len());
    for (&model, shares) in wave.iter().zip(shares) {
        outcomes.push(shares.and_then(|shares| {
            let given = match results.next() {
                Some((Ok(given), time)) => {
                    paces[model].took(shares.iter().map(|share| share.read.ids.len()).sum(), time);
                    given
                }
                Some((Err(error), _)) => return Err(blame(error, &shares, &*models[model].model)),
                None => return Ok(0),
            };
            let mut texts = 0;
            for (Share { at, member, slot, read, of_text }, distributions) in shares.into_iter().zip(given) {
                if of_text {
                    texts += read.ids.len();
                }
                if let Some(lane) = in_flight[at].lane(member, slot) {
                    lane.was_read(&read, distributions);
                }
            }
            Ok(texts)
        }));
    }
    outcomes
}

/// A text that is so many times as long as another leaves room for that one, which is not to wait for it.
const MUCH_LONGER: usize = 4;

/// What `model` is to read now.
fn share_out(
    model: usize,
    computes: &mut dyn LanguageModel,
    in_flight: &mut [InFlight],
    chunk: usize,
) -> Result<Vec<Share>, Stuck> {
    let texts = OwedTexts::of(model, computes, in_flight)?;
    let mut room_of_short = if chunk == 0 { 0 } else { chunk.max(SHORT / 2) };
    let mut room = (chunk - texts.short.min(chunk)).max(chunk / 4);
    let for_shorter = texts.shortest.min(room / 2);
    let mut shares = Vec::new();
    for (at, item) in in_flight.iter_mut().enumerate() {
        let is_streaming = item.is_streaming();
        for member in item.members_at(model).collect::<Vec<_>>() {
            for (slot, lane) in item.lanes(member, computes)? {
                if room == 0 && lane.sequence().is_none() && lane.length() > SHORT {
                    // It is opened when there is room: until then others may compute what it begins with.
                    continue;
                }
                lane.open(computes)?;
                let owed = lane.owed(computes);
                let kind = Owed::of(lane, owed, is_streaming);
                let kept = if owed / MUCH_LONGER > texts.shortest { for_shorter } else { 0 };
                let most = match kind {
                    Owed::Next => owed,
                    Owed::Short => room_of_short,
                    Owed::Long => room.saturating_sub(kept),
                };
                if most == 0 {
                    continue;
                }
                let Some(read) = lane.next(computes, most)? else { continue };
                match kind {
                    Owed::Next => {}
                    Owed::Short => room_of_short -= read.ids.len(),
                    Owed::Long => room -= read.ids.len(),
                }
                shares.push(Share { at, member, slot, read, of_text: kind != Owed::Next });
            }
        }
    }
    Ok(shares)
}

/// The texts that a model has to read, by what is left of them.
struct OwedTexts {
    /// Tokens of the short ones.
    short: usize,
    /// What is left of the shortest of those that are not short.
    shortest: usize,
}

impl OwedTexts {
    fn of(model: usize, computes: &mut dyn LanguageModel, in_flight: &mut [InFlight]) -> Result<Self, ModelError> {
        let mut texts = Self { short: 0, shortest: usize::MAX };
        for item in in_flight {
            let is_streaming = item.is_streaming();
            for member in item.members_at(model).collect::<Vec<_>>() {
                for (_, lane) in item.lanes(member, computes)? {
                    let owed = lane.owed(computes);
                    match Owed::of(lane, owed, is_streaming) {
                        Owed::Next => {}
                        Owed::Short => texts.short += owed,
                        Owed::Long => texts.shortest = texts.shortest.min(owed),
                    }
                }
            }
        }
        Ok(texts)
    }
}

fn extend(model: &mut dyn LanguageModel, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let all = model.extend(batch)?;
    let wanted = |extension: &Extension<'_>| extension.wanted.indices(extension.tokens.len()).len();
    let complete = all.len() == batch.len() && all.iter().zip(batch).all(|(given, e)| given.len() == wanted(e));
    if complete { Ok(all) } else { Err(ModelError::Backend(String::from("fewer distributions than were asked for"))) }
}

/// Whose fault an error is.
fn blame(error: ModelError, shares: &[Share], model: &dyn LanguageModel) -> Stuck {
    let is_guilty = |Share { read, .. }: &&Share| match error {
        ModelError::Request { sequence, .. } => read.sequence == sequence,
        ModelError::UnknownToken { token, .. } => read.ids.iter().any(|id| id.0 == token),
        ModelError::ContextFull { length, .. } => model.length(read.sequence) + read.ids.len() == length,
        _ => false,
    };
    let guilty: Vec<usize> = shares.iter().filter(is_guilty).map(|share| share.at).collect();
    if guilty.is_empty() { error.into() } else { Stuck::Refused { guilty, error } }
}
