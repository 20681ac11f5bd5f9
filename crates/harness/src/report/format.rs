//! Numbers and cells as all tables show them.

use super::estimate::{Estimate, ScoreUnit};
use super::leaderboard::{AgainstBest, Column, Leaderboard, SystemRow};
use crate::results::LatencyBasis;
use gac_ensemble::DraftCounts;

/// Where there is nothing to say.
pub(super) const NOTHING: &str = "-";

/// `62.50`: a score, in percent where it is a share.
pub(super) fn percent(score: Estimate) -> String {
    shown(score.value, score.unit)
}

/// ` ± 1.21`: a standard error, in percentage points where the score is a share, or nothing.
pub(super) fn plus_minus(score: Estimate) -> String {
    standard_error(score).map_or_else(String::new, |error| format!(" ± {error}"))
}

/// `1.21`: a standard error.
pub(super) fn standard_error(score: Estimate) -> Option<String> {
    score.stderr.map(|stderr| shown(stderr, score.unit))
}

/// What is no percentage, where a column has it.
pub(super) fn perplexity_note(leaderboard: &Leaderboard) -> Option<&'static str> {
    let has = leaderboard.columns.iter().any(|column| ScoreUnit::of(&column.metric.metric) == ScoreUnit::Perplexity);
    has.then_some("Perplexities stand as they are: less is better, and they are in no average.")
}

fn shown(value: f64, unit: ScoreUnit) -> String {
    match unit {
        ScoreUnit::Share => format!("{:.2}", value * 100.0),
        ScoreUnit::Perplexity if value.abs() >= 1e6 => format!("{value:.2e}"),
        ScoreUnit::Perplexity => format!("{value:.2}"),
    }
}

/// `12.34`, or nothing to say.
pub(super) fn latency(row: &SystemRow) -> String {
    row.timing.ms_per_token.map_or_else(|| NOTHING.to_owned(), |ms| format!("{ms:.2}"))
}

/// `43.2%` of steps at which members voted; a single model has no votes.
pub(super) fn share(row: &SystemRow) -> String {
    match row.timing.ensembled_share {
        Some(share) if row.members > 1 => format!("{:.1}%", share * 100.0),
        _ => NOTHING.to_owned(),
    }
}

/// `+2.10`: a difference in percentage points.
pub(crate) fn points(difference: f64) -> String {
    format!("{:+.2}", difference * 100.0)
}

/// The paired difference as a sentence.
pub(super) fn comparison(comparison: &AgainstBest, name: impl Fn(&str) -> String) -> String {
    let AgainstBest { system, baseline, is_member, paired } = comparison;
    format!(
        "{} against {}, {}: {} points ({:.0}% CI {} to {}; paired over {} documents)",
        name(system),
        name(baseline),
        if *is_member { "its best member" } else { "the best single model" },
        points(paired.difference),
        paired.bootstrap.level * 100.0,
        points(paired.low),
        points(paired.high),
        paired.documents,
    )
}

/// What the latency column is made of, as a sentence, if there is one.
pub(super) fn latency_note(leaderboard: &Leaderboard) -> Option<&'static str> {
    let mut bases = leaderboard.rows.iter().filter_map(|row| row.timing.latency_basis);
    let first = bases.next()?;
    if bases.any(|basis| basis != first) {
        return Some("ms/token has different bases in different rows; they do not compare.");
    }
    Some(match first {
        LatencyBasis::Request => "ms/token: a request's wall time over its length in tokens, one request at a time.",
        LatencyBasis::Throughput => {
            "ms/token: wall time over all tokens with requests batched, a throughput and not a latency."
        }
        LatencyBasis::Modelled => {
            "ms/token: modelled, steps times what one of their kind costs, over a response's length in tokens."
        }
    })
}

/// What was drafted, as sentences.
pub(super) fn drafts(leaderboard: &Leaderboard, name: impl Fn(&str) -> String) -> Vec<String> {
    let of_row = |row: &SystemRow| {
        let drafts = row.timing.drafts.filter(|drafts| drafts.verifications > 0)?;
        let tokens = row.timing.tokens as f64 / drafts.verifications as f64;
        let DraftCounts { drafted, accepted, .. } = drafts;
        Some(format!(
            "{} drafted {drafted} tokens, {accepted} held: {tokens:.2} tokens per verification.",
            name(&row.system)
        ))
    };
    leaderboard.rows.iter().filter_map(of_row).collect()
}

/// What failed, and is in no score, as sentences.
pub(super) fn failures(leaderboard: &Leaderboard, name: impl Fn(&str) -> String) -> Vec<String> {
    let of_row = |row: &SystemRow| -> Vec<String> {
        let failed = row.failed.iter().zip(&leaderboard.columns).filter(|(count, _)| **count > 0);
        let sentence = |(count, column): (&usize, &Column)| {
            let (system, task, all) = (name(&row.system), name(&column.task), column.documents);
            format!("{system} failed on {count} of {all} documents of {task}: they are in no score.")
        };
        failed.map(sentence).collect()
    };
    leaderboard.rows.iter().flat_map(of_row).collect()
}

/// Which models computed on servers, as a sentence, if some did.
pub(super) fn served_note(leaderboard: &Leaderboard, name: impl Fn(&str) -> String) -> Option<String> {
    let mut served: Vec<&String> = leaderboard.rows.iter().flat_map(|row| &row.served).collect();
    served.sort_unstable();
    served.dedup();
    let names: Vec<String> = served.into_iter().map(|served| name(served)).collect();
    (!names.is_empty()).then(|| format!("Weights not known, computed on servers: {}.", names.join("; ")))
}

/// What each column was made by, as sentences.
pub(super) fn protocols(leaderboard: &Leaderboard, name: impl Fn(&str) -> String) -> Vec<String> {
    let sentence = |column: &Column| {
        let all: Vec<String> = [column.protocol()].iter().chain(&column.mixed).map(|protocol| name(protocol)).collect();
        format!("{}: {}", name(&column.task), all.join("; some rows "))
    };
    leaderboard.columns.iter().map(sentence).collect()
}
