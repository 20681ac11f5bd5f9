//! Ensembles at several thresholds, which charts are drawn of.

use crate::report::Leaderboard;
use crate::report::leaderboard::SystemRow;
use gac_systems::SystemPlan;

/// The horizontal (or vertical) axis of shares.
pub(super) const SHARE_AXIS: &str = "ensembled steps, %";
/// The chart of costs.
pub(super) const COST_TITLE: &str = "Cost against share of ensembled steps";

/// An ensemble that was run at several thresholds.
pub(super) struct Gated<'a> {
    pub(super) name: String,
    pub(super) plan: &'a SystemPlan,
    /// By threshold, ascending.
    pub(super) rows: Vec<(f64, &'a SystemRow)>,
}

impl<'a> Gated<'a> {
    /// All of a run's systems, in order; `plans` are those of the leaderboard's rows.
    pub(super) fn all(plans: &'a [SystemPlan], leaderboard: &'a Leaderboard) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (plan, row) in plans.iter().zip(&leaderboard.rows) {
            // Axes have charts of their own.
            let Some(gate) = plan.gate.as_ref().filter(|_| plan.axis.is_none()) else { continue };
            if let Some(known) = all.iter_mut().find(|known| known.votes_as(plan) && known.gate() == Some(&gate.member))
            {
                known.rows.push((gate.threshold, row));
            } else {
                let name = format!("{}, gate {}", plan.members.join(" + "), gate.member);
                all.push(Self { name, plan, rows: vec![(gate.threshold, row)] });
            }
        }
        all.retain(|gated| gated.rows.len() > 1);
        for gated in &mut all {
            gated.rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        // What differs between ensembles of the same members and gate.
        for index in 0..all.len() {
            if all.iter().filter(|other| other.name == all[index].name).count() > 1 {
                let weights: Vec<String> =
                    all[index].plan.weights.iter().map(|weight| format!("{weight:.2}")).collect();
                all[index].name =
                    format!("{}, {}: {}", all[index].name, all[index].rows[0].1.system, weights.join(":"));
            }
        }
        all
    }

    /// Whether `plan` has the same members that vote in the same way.
    pub(super) fn votes_as(&self, plan: &SystemPlan) -> bool {
        self.plan.members == plan.members && self.plan.weights == plan.weights && self.plan.settings == plan.settings
    }

    pub(super) fn gate(&self) -> Option<&String> {
        self.plan.gate.as_ref().map(|gate| &gate.member)
    }
}
