//! A system, resolved.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::SpecError;
use super::settings::{Combination, Settings};
use crate::spec::file::SystemSpec;

/// What is evaluated, with every setting decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemPlan {
    /// Its name in results.
    pub name: String,
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
    pub settings: Settings,
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

    /// Checks a system against the models there are.
    pub(crate) fn resolve(spec: &SystemSpec, known: &[String]) -> Result<Self, SpecError> {
        let system = || spec.name.clone();
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
        let settings = Settings::resolve(spec).map_err(|source| SpecError::Setting { system: system(), source })?;
        let drafts = matches!(settings.combination, Combination::Safe(_));
        if drafts && let Some(gate) = spec.gate.as_ref().filter(|gate| !spec.members.contains(gate)) {
            return Err(not_member(spec, gate));
        }
        Ok(Self {
            name: system(),
            members: spec.members.clone(),
            weights: weights(spec)?,
            gate: if drafts { None } else { gate(spec)? },
            drafter: spec.gate.clone().filter(|_| drafts),
            settings,
        })
    }
}

/// Weights normalised to one; equal ones where none are given.
fn weights(spec: &SystemSpec) -> Result<Vec<f64>, SpecError> {
    let members = spec.members.len();
    let Some(given) = &spec.weights else {
        return Ok(vec![1.0 / members as f64; members]);
    };
    if given.len() != members {
        return Err(SpecError::WeightCount { system: spec.name.clone(), weights: given.len(), members });
    }
    for (member, &weight) in spec.members.iter().zip(given) {
        if !weight.is_finite() || weight < 0.0 {
            return Err(SpecError::Weight { system: spec.name.clone(), member: member.clone(), weight });
        }
    }
    let sum: f64 = given.iter().sum();
    if sum <= 0.0 || !sum.is_finite() {
        return Err(SpecError::WeightSum { system: spec.name.clone(), sum });
    }
    Ok(given.iter().map(|weight| weight / sum).collect())
}

fn not_member(spec: &SystemSpec, gate: &str) -> SpecError {
    SpecError::GateNotMember { system: spec.name.clone(), gate: gate.to_owned(), members: spec.members.clone() }
}

/// Gate and threshold: both or neither.
fn gate(spec: &SystemSpec) -> Result<Option<GatePlan>, SpecError> {
    let system = spec.name.clone();
    if let Some(threshold) = spec.threshold
        && !(0.0..=1.0).contains(&threshold)
    {
        return Err(SpecError::Threshold { system, threshold });
    }
    match (&spec.gate, spec.threshold) {
        (None, None) => Ok(None),
        (None, Some(threshold)) => {
            Err(SpecError::ThresholdWithoutGate { system, threshold, members: spec.members.clone() })
        }
        (Some(gate), _) if !spec.members.contains(gate) => Err(not_member(spec, gate)),
        (Some(gate), None) => Err(SpecError::GateWithoutThreshold { system, gate: gate.clone() }),
        (Some(_), Some(_)) if spec.members.len() == 1 => Err(SpecError::GateAlone { system }),
        (Some(gate), Some(threshold)) => Ok(Some(GatePlan { member: gate.clone(), threshold })),
    }
}
