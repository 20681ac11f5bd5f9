//! TER of all documents together: edits per word of the references, where moving a phrase is one edit.
//!
//! Source: sacrebleu 2.6 with its defaults (lower case, cut at white space), which follows Tercom (Snover et al. 2006); its
//! limits on shifts, and on how far from the diagonal edits are looked for, are kept.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::translation::TextPair;
use crate::python::split_whitespace;

/// Most words of a phrase that is moved.
const LONGEST_SHIFT: usize = 10;
/// Farthest that a phrase may be from where it belongs.
const FARTHEST_SHIFT: usize = 50;
/// Most shifts that are tried for a text.
const MOST_SHIFTS: usize = 1000;
/// How far from the diagonal edits are looked for.
const BEAM: usize = 25;
/// No number of edits.
const NONE: usize = usize::MAX / 2;

/// TER of a corpus: 0 where nothing has to be edited, 1 and more where all has.
pub fn edit_rate<'t>(pairs: impl IntoIterator<Item = TextPair<'t>>) -> f64 {
    let (mut edits, mut length) = (0, 0);
    for (reference, written) in pairs {
        let (reference, written) = (reference.to_lowercase(), written.to_lowercase());
        let reference: Vec<&str> = split_whitespace(&reference).collect();
        edits += edits_to(&reference, split_whitespace(&written).collect());
        length += reference.len();
    }
    match (edits, length) {
        (0, 0) => 0.0,
        (_, 0) => 1.0,
        _ => edits as f64 / length as f64,
    }
}

/// How many edits and shifts make `written` the reference, found greedily.
fn edits_to(reference: &[&str], mut written: Vec<&str>) -> usize {
    if reference.is_empty() {
        return written.len();
    }
    let (mut shifts, mut tried) = (0, 0);
    loop {
        let best = best_shift(reference, &written, &mut tried);
        match best {
            Some(shift) if tried < MOST_SHIFTS && shift.gain > 0 => written = shift.words,
            _ => break,
        }
        shifts += 1;
    }
    shifts + Edits::between(&written, reference).count
}

/// A phrase moved.
struct Shift<'t> {
    /// Edits that it spares.
    gain: isize,
    length: usize,
    start: usize,
    target: usize,
    words: Vec<&'t str>,
}

impl Shift<'_> {
    /// More is spared, longer, earlier, to an earlier place.
    fn compare(&self, other: &Self) -> Ordering {
        let earlier = |own: usize, other: usize| other.cmp(&own);
        self.gain
            .cmp(&other.gain)
            .then(self.length.cmp(&other.length))
            .then(earlier(self.start, other.start))
            .then(earlier(self.target, other.target))
            .then_with(|| self.words.cmp(&other.words))
    }
}

fn best_shift<'t>(reference: &[&str], written: &[&'t str], tried: &mut usize) -> Option<Shift<'t>> {
    let edits = Edits::between(written, reference);
    let aligned = Alignment::of(&edits.steps);
    let mut best: Option<Shift<'t>> = None;
    for (start, of_reference, length) in equal_phrases(written, reference) {
        // Only what is wrong here and missing there is moved.
        let is_right = |wrong: &[bool], from: usize| !wrong[from..from + length].contains(&true);
        if is_right(&aligned.written_wrong, start) || is_right(&aligned.reference_wrong, of_reference) {
            continue;
        }
        let within = aligned
            .places
            .get(&of_reference)
            .is_some_and(|&place| usize::try_from(place).is_ok_and(|place| (start..start + length).contains(&place)));
        if within {
            continue;
        }
        let mut before = None;
        for offset in 0..=length {
            let target = match (of_reference + offset).checked_sub(1) {
                None => 0,
                Some(place) => match aligned.places.get(&place) {
                    Some(place) => usize::try_from(place + 1).unwrap_or(0),
                    None => break,
                },
            };
            if before.replace(target) == Some(target) {
                continue;
            }
            let words = shifted(written, start, length, target);
            let gain = edits.count as isize - Edits::between(&words, reference).count as isize;
            let shift = Shift { gain, length, start, target, words };
            *tried += 1;
            if best.as_ref().is_none_or(|best| shift.compare(best) == Ordering::Greater) {
                best = Some(shift);
            }
        }
        if *tried >= MOST_SHIFTS {
            break;
        }
    }
    best
}

/// Phrases that both have: where each starts, and its length; of every place all lengths.
fn equal_phrases(written: &[&str], reference: &[&str]) -> Vec<(usize, usize, usize)> {
    let mut phrases = Vec::new();
    for start in 0..written.len() {
        for of_reference in 0..reference.len() {
            if start.abs_diff(of_reference) > FARTHEST_SHIFT {
                continue;
            }
            let equal = written[start..].iter().zip(&reference[of_reference..]).take(LONGEST_SHIFT);
            let longest = equal.take_while(|(a, b)| a == b).count();
            phrases.extend((1..=longest).map(|length| (start, of_reference, length)));
        }
    }
    phrases
}

/// `words` with those from `start` in front of what is now at `target`.
fn shifted<'t>(words: &[&'t str], start: usize, length: usize, target: usize) -> Vec<&'t str> {
    let end = start + length;
    let moved = &words[start..end];
    if target < start {
        [&words[..target], moved, &words[target..start], &words[end..]].concat()
    } else if target > end {
        [&words[..start], &words[end..target], moved, &words[target..]].concat()
    } else {
        // Within itself: that many words of those behind it come first.
        let behind = (length + target).min(words.len());
        [&words[..start], &words[end..behind], moved, &words[behind..]].concat()
    }
}

/// One step from what was written to the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EditStep {
    Same,
    Other,
    Added,
    Dropped,
}

/// The fewest edits, without shifts.
struct Edits {
    count: usize,
    steps: Vec<EditStep>,
}

impl Edits {
    fn between(written: &[&str], reference: &[&str]) -> Self {
        let (rows, columns) = (written.len(), reference.len());
        let ratio = if rows == 0 { 1.0 } else { columns as f64 / rows as f64 };
        let beam = if (BEAM as f64) < ratio / 2.0 { (ratio / 2.0 + BEAM as f64).ceil() as usize } else { BEAM };
        let mut table = vec![vec![(NONE, EditStep::Same); columns + 1]; rows + 1];
        table[0] = (0..=columns).map(|column| (column, EditStep::Added)).collect();
        for row in 1..=rows {
            let diagonal = (row as f64 * ratio).floor() as usize;
            let from = diagonal.saturating_sub(beam);
            let to = if row == rows { columns + 1 } else { (columns + 1).min(diagonal + beam) };
            for column in from..to {
                if column == 0 {
                    table[row][0] = (table[row - 1][0].0 + 1, EditStep::Dropped);
                    continue;
                }
                let is_same = written[row - 1] == reference[column - 1];
                let step = if is_same { EditStep::Same } else { EditStep::Other };
                let ways = [
                    (table[row - 1][column - 1].0 + usize::from(!is_same), step),
                    (table[row - 1][column].0 + 1, EditStep::Dropped),
                    (table[row][column - 1].0 + 1, EditStep::Added),
                ];
                for way in ways {
                    if table[row][column].0 > way.0 {
                        table[row][column] = way;
                    }
                }
            }
        }
        let mut steps = Vec::with_capacity(rows + columns);
        let (mut row, mut column) = (rows, columns);
        while row > 0 || column > 0 {
            let step = table[row][column].1;
            steps.push(step);
            row -= usize::from(step != EditStep::Added);
            column -= usize::from(step != EditStep::Dropped);
        }
        steps.reverse();
        Self { count: table[rows][columns].0, steps }
    }
}

/// Which words stand for which.
#[derive(Default)]
struct Alignment {
    /// By word of the reference: the last word that was written up to there; -1 in front of the first.
    places: BTreeMap<usize, isize>,
    written_wrong: Vec<bool>,
    reference_wrong: Vec<bool>,
}

impl Alignment {
    fn of(steps: &[EditStep]) -> Self {
        let mut alignment = Self::default();
        for step in steps {
            let is_wrong = *step != EditStep::Same;
            if *step != EditStep::Added {
                alignment.written_wrong.push(is_wrong);
            }
            if *step != EditStep::Dropped {
                let place = alignment.written_wrong.len() as isize - 1;
                alignment.places.insert(alignment.reference_wrong.len(), place);
                alignment.reference_wrong.push(is_wrong);
            }
        }
        alignment
    }
}
