//! How many documents a drop takes, before a run or after one.

use serde::Serialize;

use super::file::Grouping;
use super::review::Observed;
use super::sentence::thousands;
use crate::compare::{CompareError, Scope, SystemPair, aligned, pairing};
use crate::report::printable;
use crate::results::StoredRun;
use crate::stats::{Demand, Spread, documents_needed};

/// How many documents it takes to show that a system as good as the base drops by less than what is allowed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Needed {
    /// What it is said of: a system and a task, or an assumption.
    pub of: String,
    /// Documents that were asked, where runs are known.
    pub documents: Option<usize>,
    /// Groups that they come in.
    pub groups: Option<usize>,
    /// The smallest drop that these tell, 0 to 1.
    pub smallest_told: Option<f64>,
    /// Documents that it takes, of the same kinds and in the same proportions.
    pub needed: f64,
}

/// By the share of documents whose verdict changes, 0 to 1.
pub fn needed_by_discordance(shares: &[f64], demand: Demand) -> Vec<Needed> {
    let of_share = |&share: &f64| Needed {
        of: format!("{}% of the documents change", super::sentence::percent(share)),
        documents: None,
        groups: None,
        smallest_told: None,
        needed: documents_needed(Spread::Discordance(share), demand),
    };
    shares.iter().map(of_share).collect()
}

/// By what two runs, or two systems of one, were seen to differ in.
///
/// # Errors
/// When they cannot be paired.
pub fn needed(
    base: &StoredRun,
    new: &StoredRun,
    pairs: &[SystemPair],
    demand: Demand,
) -> Result<Vec<Needed>, CompareError> {
    let mut found = Vec::new();
    for (base, new) in pairing::systems(base, new, pairs)? {
        let tasks = pairing::tasks(base, new, &[])?;
        let mut observed: Vec<Observed> = tasks.iter().map(|pairs| Observed::task(pairs, Grouping::Task)).collect();
        if observed.len() > 1 {
            observed.push(Observed::average(&observed));
        }
        for Observed { scope, scores, documents, groups, .. } in &observed {
            let Some(scores) = scores else { continue };
            let told = scores.difference.smallest_told(demand.alpha, demand.power);
            let scope = match scope {
                Scope::Task(task) => task,
                Scope::Average => "average",
            };
            found.push(Needed {
                of: format!("{}: {scope}", new.name),
                documents: Some(*documents),
                groups: Some(*groups),
                smallest_told: Some(told),
                needed: (*documents as f64 * (told / demand.max_drop).powi(2)).ceil(),
            });
        }
    }
    Ok(found)
}

/// A table for terminals.
pub fn needed_table(found: &[Needed], demand: Demand) -> String {
    let limit = format!("documents for {}", super::sentence::percent(demand.max_drop));
    let heading = ["", "documents", "tell a drop of", &limit, ""];
    let rows = found.iter().map(|needed| {
        let groups = needed.groups.filter(|groups| Some(*groups) < needed.documents);
        [
            printable(&needed.of),
            needed.documents.map(|count| thousands(count as f64)).unwrap_or_default(),
            needed.smallest_told.map(|told| format!("{:.2}", told * 100.0)).unwrap_or_default(),
            thousands(needed.needed),
            groups.map(|groups| format!("in {groups} groups")).unwrap_or_default(),
        ]
    });
    let mut lines = aligned(heading, rows);
    lines.push(String::new());
    lines.push(format!(
        "Documents to show, with a power of {}% at a one-sided alpha of {}, that a system as good as the base drops by less",
        super::sentence::percent(demand.power),
        demand.alpha
    ));
    lines.push("  than that. In percentage points.".to_owned());
    lines.join("\n") + "\n"
}
