//! What a policy's answer is in words.

use super::file::{Grouping, Tier};
use super::review::{LimitCheck, LimitKind, Review, Ruling};
use crate::report::printable;

/// The answer in one line that needs no table beside it.
pub fn headline(review: &Review) -> String {
    let deciding = |check: &&LimitCheck| match review.ruling {
        Ruling::NoGo => check.tier != Tier::Advisory && check.ruling == Ruling::NoGo,
        _ => check.tier == Tier::Critical && check.ruling == Ruling::Inconclusive,
    };
    let mut deciding = review.checks.iter().filter(deciding);
    let name = review.ruling.name();
    let Some(first) = deciding.next().filter(|_| review.ruling != Ruling::Go) else {
        let critical = review.checks.iter().filter(|check| check.tier == Tier::Critical).count();
        return match critical {
            0 => format!("{name}: no limit is shown to be broken."),
            1 => format!("{name}: the critical limit is shown to hold."),
            _ => format!("{name}: {critical} of {critical} critical limits are shown to hold."),
        };
    };
    let more = match (review.ruling, deciding.count()) {
        (_, 0) => String::new(),
        (Ruling::NoGo, 1) => " 1 other limit is broken, too.".to_owned(),
        (Ruling::NoGo, count) => format!(" {count} other limits are broken, too."),
        (_, 1) => " Nor can 1 other limit be told.".to_owned(),
        (_, count) => format!(" Nor can {count} other limits be told."),
    };
    format!("{name}: {}{more}", sentence(first))
}

/// What was found of one limit.
pub(super) fn sentence(check: &LimitCheck) -> String {
    let subject = format!("{} of `{}`", printable(check.scope.name()), printable(&check.system));
    let allowed = amount(check.limit, check.allowed);
    let Some(measured) = check.measured else {
        return format!("{subject} has no {}: {}.", what(check.limit), check.reason.unwrap_or("it was not measured"));
    };
    let Some(evidence) = &check.evidence else {
        let relation = if check.ruling == Ruling::NoGo { "above" } else { "within" };
        return format!("{subject}: {} {}, {relation} {allowed}.", what(check.limit), amount(check.limit, measured));
    };
    let of = |value: f64| amount(check.limit, value);
    let (low, high) = (of(evidence.low), of(evidence.high));
    match (check.limit, check.ruling) {
        (LimitKind::MinScore, Ruling::Go) => {
            format!("{subject} is at {}, at least {low} where {allowed} is asked for.", of(measured))
        }
        (LimitKind::MinScore, Ruling::NoGo) => {
            format!("{subject} is at {}, at most {high} where {allowed} is asked for.", of(measured))
        }
        (_, Ruling::Go) => {
            format!("{subject} {}: at most {high}, and {allowed} is allowed.", change(check.limit, measured))
        }
        (_, Ruling::NoGo) => {
            format!("{subject} {}: at least {low}, and {allowed} is allowed.", change(check.limit, measured))
        }
        (_, Ruling::Inconclusive) => {
            let found = match check.limit {
                LimitKind::MinScore => format!("is at {}", of(measured)),
                _ => change(check.limit, measured),
            };
            let documents = evidence.documents;
            let question = match check.limit {
                LimitKind::MinScore => format!("on which side of {allowed} it is"),
                _ => format!("whether it drops by more than {allowed}"),
            };
            format!(
                "{subject} {found}; {documents} documents cannot tell {question} (from {low} to {high}). {}",
                advice(check.limit, evidence.smallest_told, evidence.documents_needed, documents)
            )
        }
    }
}

/// What these documents can tell, and how many could tell more.
fn advice(limit: LimitKind, told: f64, needed: Option<f64>, documents: usize) -> String {
    let told = amount(limit, told);
    let told = match limit {
        LimitKind::MinScore => format!("They tell a distance of {told}"),
        _ => format!("They tell a drop of {told}"),
    };
    match needed {
        Some(needed) if needed > documents as f64 => {
            format!("{told}; it would take about {} documents.", thousands(needed))
        }
        _ => format!("{told}, and the difference from the limit is smaller than that."),
    }
}

fn change(limit: LimitKind, drop: f64) -> String {
    if drop > 0.0 {
        format!("drops by {}", amount(limit, drop))
    } else if drop < 0.0 {
        format!("rises by {}", amount(limit, -drop))
    } else {
        "does not change".to_owned()
    }
}

fn what(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::MaxDrop | LimitKind::MaxRelativeDrop | LimitKind::MinScore => "score",
        LimitKind::MaxMsPerToken | LimitKind::MaxSlowdown => "time per token",
        LimitKind::MaxEnsembledShare => "share of ensembled steps",
        LimitKind::MaxFailed => "failed documents",
    }
}

/// A number with its unit.
fn amount(limit: LimitKind, value: f64) -> String {
    match limit {
        LimitKind::MaxDrop if (value - 0.01).abs() < 1e-9 => "1 point".to_owned(),
        LimitKind::MaxDrop => format!("{} points", percent(value)),
        LimitKind::MaxRelativeDrop => format!("{}% of the base's score", percent(value)),
        LimitKind::MinScore => percent(value),
        LimitKind::MaxMsPerToken => format!("{} ms", number(value)),
        LimitKind::MaxSlowdown if value > 0.0 => format!("{}% more than the base's", percent(value)),
        LimitKind::MaxSlowdown if value < 0.0 => format!("{}% less than the base's", percent(-value)),
        LimitKind::MaxSlowdown => "the base's".to_owned(),
        LimitKind::MaxEnsembledShare | LimitKind::MaxFailed => format!("{}%", percent(value)),
    }
}

/// A number as a policy would write it.
pub(super) fn percent(value: f64) -> String {
    number(value * 100.0)
}

/// At most two digits after the point.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value > 0.0 { "any".to_owned() } else { "-any".to_owned() };
    }
    let rounded = format!("{value:.2}");
    let short = rounded.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// A count with its thousands apart.
pub(super) fn thousands(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What the figures are.
pub(super) fn note(review: &Review) -> String {
    let policy = &review.policy;
    let groups = review.checks.iter().filter_map(|check| check.evidence.as_ref());
    let grouped = policy.groups == Grouping::Task && groups.into_iter().any(|found| found.groups < found.documents);
    let groups = if grouped { " Documents of a subject, or of a passage, count as one group." } else { "" };
    format!(
        "Scores in percent, paired by document; bounds hold one-sided at alpha {}. GO: the bound excludes that the limit is \
         broken. NO-GO: it is broken at p <= {}, adjusted for the number of limits by Holm's method. INCONCLUSIVE: neither. \
         What documents can tell is told with a power of {}%.{groups}",
        policy.alpha,
        policy.alpha,
        percent(policy.power)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        assert_eq!((number(1.0), number(-0.001), number(2.504)), ("1".into(), "0".into(), "2.5".into()));
        assert_eq!((thousands(1_234_567.0), thousands(999.0)), ("1,234,567".into(), "999".into()));
        assert_eq!(number(f64::INFINITY), "any");
    }
}
