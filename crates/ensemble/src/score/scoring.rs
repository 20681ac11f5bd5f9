//! The log-probability of one token of a continuation, by what members say before it.

use gac_inference::Distribution;

use super::continuation::Continuation;
use super::tally::{Tally, Views};
use crate::decode::ballot::no_probabilities;
use crate::error::RequestError;
use crate::member::MemberId;
use crate::settings::{Lead, Settings};
use crate::vocabulary::segmentation::Segmentation;
use crate::vote::gating::Certainty;
use crate::vote::log_probs::{AnyToken, AskedLogProbs, DecidedBy};
use crate::vote::member_view::{own_log_prob, top};
use crate::vote::sampling::Decoding;
use crate::vote::undecided::{MissingDetail, OwnedDetail, missing_of_lead};
use crate::vote::votes::Votes;
use crate::vote::weights::Weights;

/// Members that are asked at every token. With SAFE there is nothing drafted to verify: all members count at every token.
pub(crate) fn leads(settings: &Settings) -> Vec<usize> {
    match settings.lead() {
        Lead::Drafter(_) => (0..settings.ensemble().members().len()).collect(),
        _ => settings.leads().to_vec(),
    }
}

/// Members that are asked at key tokens.
pub(crate) fn supporters(settings: &Settings) -> &[usize] {
    match settings.lead() {
        Lead::Drafter(_) => &[],
        _ => settings.supporters(),
    }
}

/// By rule: whether the members vote, by what the leads say.
pub(crate) fn votes(settings: &Settings, views: &Views<'_>) -> Vec<bool> {
    let certain = match settings.lead() {
        Lead::Gate { gate, certainty, .. } => {
            views[gate.0].map(|view| certainty.of(settings.ensemble().union(), *gate, view))
        }
        _ => None,
    };
    let lead = settings.lead();
    (0..settings.rules()).map(|rule| lead.votes(rule, certain.unwrap_or(0.0))).collect()
}

/// What has to be asked before it is known whether members vote on a token: nothing where a lead decides it.
pub(crate) fn missing_of_gate(settings: &Settings, views: &Views<'_>) -> Vec<MissingDetail> {
    let Lead::Gate { gate, certainty, .. } = settings.lead() else { return Vec::new() };
    let union = settings.ensemble().union();
    let detail = views[gate.0].and_then(|view| missing_of_lead(union, *gate, view, *certainty, Decoding::Greedy));
    detail.map(|detail| MissingDetail { member: *gate, detail }).into_iter().collect()
}

/// What has to be asked before the distributions that a token is scored by are known whole.
pub(crate) fn everything(views: &Views<'_>) -> Vec<MissingDetail> {
    let of_member = |(member, view): (usize, Option<&Distribution>)| {
        let view = view.filter(|view| !view.is_complete())?;
        Some(MissingDetail { member: MemberId(member), detail: OwnedDetail::Top(view.rows()) })
    };
    views.iter().copied().enumerate().filter_map(of_member).collect()
}

/// What has to be asked before a token of `choice` can be scored.
pub(crate) fn missing(
    settings: &Settings,
    choice: &Continuation,
    token: usize,
    views: &Views<'_>,
    weights: &Weights,
    segmentation: &mut Segmentation,
) -> Vec<MissingDetail> {
    if views.iter().flatten().all(|view| view.is_complete()) {
        return Vec::new();
    }
    let (id, key) = choice.tokens[token];
    let union = settings.ensemble().union();
    // Where nobody votes, the lead's own probability counts.
    let mut missing = Vec::new();
    if let Some(lead) = settings.lead().member()
        && let Some(view) = views[lead.0]
    {
        let ids = match (settings.lead(), key) {
            (Lead::Only, _) | (_, None) => vec![id],
            (_, Some(key)) => union.projection(lead).ids(key).to_vec(),
        };
        let unknown: Vec<_> = ids.into_iter().filter(|&id| !view.knows(id)).collect();
        let detail = (!unknown.is_empty()).then_some(OwnedDetail::Tokens(unknown));
        let first = || missing_of_lead(union, lead, view, Certainty::TopProbability, Decoding::Greedy);
        missing.extend(detail.or_else(first).map(|detail| MissingDetail { member: lead, detail }));
    }
    let all: Option<Vec<&Distribution>> = views.iter().copied().collect();
    if missing.is_empty()
        && let (Some(all), Some(key)) = (all, key)
        && *settings.lead() != Lead::Only
    {
        let votes = Votes { union, weights, members: &all };
        missing = settings.method().missing(votes, Decoding::Greedy, Some(key), segmentation);
    }
    missing
}

/// Adds a token to its choice's tally, for each rule.
///
/// # Errors
/// When some member's probabilities are unusable, or nobody has a probability for the token.
pub(crate) fn add(
    settings: &Settings,
    tally: &mut Tally,
    choice: &Continuation,
    token: usize,
    views: &Views<'_>,
    weights: &Weights,
    segmentation: &mut Segmentation,
) -> Result<(), RequestError> {
    let ensemble = settings.ensemble();
    let union = ensemble.union();
    let (id, key) = choice.tokens[token];
    let unused = || RequestError::UnusedToken { member: ensemble.members()[0].name.clone(), token: id.0 };
    let wanted = votes(settings, views);
    let all: Vec<&Distribution> = views.iter().copied().flatten().collect();
    // What the lead gives it, and what all do: its log-probability, and whether it is the most probable.
    let alone = || match settings.lead().member() {
        Some(lead) if *settings.lead() != Lead::Only => {
            let (view, key) = (views[lead.0].ok_or_else(unused)?, key.ok_or_else(unused)?);
            let best = union.projection(lead).key(top(union, lead, view).0);
            Ok((own_log_prob(union, lead, view, key), best == Some(key)))
        }
        _ => {
            let view = all.first().ok_or_else(unused)?;
            Ok((view.log_prob(id), view.top().0 == id))
        }
    };
    let voted = |segmentation: &mut Segmentation| {
        let key = key.ok_or_else(unused)?;
        let votes = Votes { union, weights, members: &all };
        let winner = settings.method().combine(votes, None, segmentation).winner();
        let (winner, _) = winner.ok_or_else(|| no_probabilities(settings, &all))?;
        Ok((settings.method().log_prob(votes, key, segmentation), winner == key))
    };
    let tell = |asked: &AskedLogProbs, votes: bool, segmentation: &mut Segmentation| {
        let decider = match settings.lead().member() {
            Some(lead) if !votes && *settings.lead() != Lead::Only => DecidedBy::Alone(lead, views[lead.0]?),
            _ if votes => DecidedBy::Voters(Votes { union, weights, members: &all }, settings.method()),
            _ => DecidedBy::Only(all.first()?),
        };
        Some(decider.tell(union, asked, AnyToken { id: Some(id), key }, segmentation))
    };
    let alone: Option<(f64, bool)> = wanted.contains(&false).then(alone).transpose()?;
    let voted: Option<(f64, bool)> = wanted.contains(&true).then(|| voted(segmentation)).transpose()?;
    if let Some(asked) = &tally.asked {
        for (told, &wants) in tally.log_probs.iter_mut().zip(&wanted) {
            told.extend(tell(asked, wants, segmentation));
        }
    }
    for (score, wants) in tally.scores.iter_mut().zip(wanted) {
        let Some((log_prob, greedy)) = (if wants { voted } else { alone }) else { continue };
        if log_prob.is_nan() {
            return Err(no_probabilities(settings, &all));
        }
        score.sum += log_prob;
        score.greedy &= greedy;
        score.tokens.push(log_prob);
    }
    Ok(())
}
