//! A system, resolved.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::axes::{self, OneSystem};
use super::error::SpecError;
use super::settings::SystemSettings;
use crate::spec::file::SystemSpec;
use crate::spec::method::Combination;

/// What is evaluated, with every setting decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemPlan {
    /// Its name in results.
    pub name: String,
    /// Its name but for the threshold, where its gate's thresholds are an axis: systems of one such name differ in
    /// nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<String>,
    /// Names of the plan's models.
    pub members: Vec<String>,
    /// One weight per member, each from 0 up, adding up to one.
    pub weights: Vec<f64>,
    /// Key-token gating; every step is ensembled when absent.
    pub gate: Option<GatePlan>,
    /// The member that drafts, where verification decides about votes; the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafter: Option<String>,
    /// How members come to one answer.
    #[serde(default)]
    pub settings: SystemSettings,
}

/// Key-token gating: members vote where the gate's top probability is at or below the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GatePlan {
    /// The gating member.
    pub member: String,
    /// 0 to 1.
    pub threshold: f64,
}

impl SystemPlan {
    /// Whether it is one model alone.
    pub fn is_single(&self) -> bool {
        self.members.len() == 1
    }

    /// Whether it is a system of the same axis: one that differs in its gate's threshold, and in nothing else.
    pub fn differs_in_threshold_from(&self, other: &Self) -> bool {
        let gate = |system: &Self| system.gate.as_ref().map(|gate| gate.member.clone());
        self.axis.is_some()
            && self.axis == other.axis
            && (gate(self), &self.members, &self.weights) == (gate(other), &other.members, &other.weights)
            && (&self.drafter, &self.settings) == (&other.drafter, &other.settings)
    }

    /// The models that it needs: its members, and one without a vote that drafts.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let drafter = self.settings.draft.as_ref().and_then(|draft| draft.drafter(&self.members));
        self.members.iter().map(String::as_str).chain(drafter)
    }

    /// The gating member's place among the members.
    pub fn gate_index(&self) -> Option<usize> {
        self.place(&self.gate.as_ref()?.member)
    }

    /// The drafting member's place among the members.
    pub fn drafter_index(&self) -> usize {
        self.drafter.as_ref().and_then(|drafter| self.place(drafter)).unwrap_or(0)
    }

    fn place(&self, member: &str) -> Option<usize> {
        self.members.iter().position(|known| known == member)
    }

    /// The systems of a spec, one for each value of its axes, checked against the models there are.
    pub(super) fn resolve(spec: &SystemSpec, known: &[String]) -> Result<Vec<Self>, SpecError> {
        axes::systems(spec)?.iter().map(|one| Self::one(one, known)).collect()
    }

    fn one(one: &OneSystem<'_>, known: &[String]) -> Result<Self, SpecError> {
        let spec = one.spec;
        let system = || one.name.clone();
        if spec.name.trim().is_empty() {
            return Err(SpecError::EmptyName);
        }
        if spec.members.is_empty() {
            return Err(SpecError::NoMembers { system: system(), known: known.to_vec() });
        }
        let mut seen = BTreeSet::new();
        for member in &spec.members {
            if !known.contains(member) {
                let (member, known) = (member.clone(), known.to_vec());
                return Err(SpecError::UnknownModel { system: system(), member, known });
            }
            if !seen.insert(member) {
                return Err(SpecError::DuplicateMember { system: system(), member: member.clone() });
            }
        }
        let settings =
            SystemSettings::resolve(one, known).map_err(|source| SpecError::Setting { system: system(), source })?;
        let drafts = matches!(settings.combination, Combination::Safe(_));
        if drafts && let Some(gate) = spec.gate.as_ref().filter(|gate| !spec.members.contains(gate)) {
            return Err(not_member(one, gate));
        }
        Ok(Self {
            name: system(),
            axis: one.axis.clone(),
            members: spec.members.clone(),
            weights: weights(one)?,
            gate: if drafts { None } else { gate(one)? },
            drafter: spec.gate.clone().filter(|_| drafts),
            settings,
        })
    }
}

/// Weights normalised to one; equal ones where none are given.
fn weights(one: &OneSystem<'_>) -> Result<Vec<f64>, SpecError> {
    let members = one.spec.members.len();
    let Some(given) = one.weights else {
        return Ok(vec![1.0 / members as f64; members]);
    };
    if given.len() != members {
        return Err(SpecError::WeightCount { system: one.name.clone(), weights: given.len(), members });
    }
    for (member, &weight) in one.spec.members.iter().zip(given) {
        if !weight.is_finite() || weight < 0.0 {
            return Err(SpecError::Weight { system: one.name.clone(), member: member.clone(), weight });
        }
    }
    let sum: f64 = given.iter().sum();
    if sum <= 0.0 || !sum.is_finite() {
        return Err(SpecError::WeightSum { system: one.name.clone(), sum });
    }
    Ok(given.iter().map(|weight| weight / sum).collect())
}

fn not_member(one: &OneSystem<'_>, gate: &str) -> SpecError {
    SpecError::GateNotMember { system: one.name.clone(), gate: gate.to_owned(), members: one.spec.members.clone() }
}

/// Gate and threshold: both or neither.
fn gate(one: &OneSystem<'_>) -> Result<Option<GatePlan>, SpecError> {
    let system = one.name.clone();
    if let Some(threshold) = one.threshold
        && !(0.0..=1.0).contains(&threshold)
    {
        return Err(SpecError::Threshold { system, threshold });
    }
    match (&one.spec.gate, one.threshold) {
        (None, None) => Ok(None),
        (None, Some(threshold)) => {
            Err(SpecError::ThresholdWithoutGate { system, threshold, members: one.spec.members.clone() })
        }
        (Some(gate), _) if !one.spec.members.contains(gate) => Err(not_member(one, gate)),
        (Some(gate), None) => Err(SpecError::GateWithoutThreshold { system, gate: gate.clone() }),
        (Some(_), Some(_)) if one.spec.members.len() == 1 => Err(SpecError::GateAlone { system }),
        (Some(gate), Some(threshold)) => Ok(Some(GatePlan { member: gate.clone(), threshold })),
    }
}
