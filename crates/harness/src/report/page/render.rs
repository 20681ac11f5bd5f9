//! The page itself.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::html::table;
use super::super::leaderboard::Leaderboard;
use super::super::sweep::Sweep;
use super::super::templates::render;
use super::chart::Chart;
use super::charts::of_leaderboard;
use super::cost::{cost_table, costs};
use super::data::PageData;
use super::gated::Gated;
use super::history::history_charts;
use super::skeleton::{PageSection, page};
use super::subjects::subjects;
use super::sweep::{sweep_charts, sweep_table};
use crate::frames::FrameError;
use crate::history::History;
use crate::results::StoredRun;
use crate::stats::Bootstrap;

/// A page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A sample cannot be written.
    #[error("failed to write a sample as JSON")]
    Sample(#[from] serde_json::Error),
    /// A table cannot be worked out.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// A run as one self-contained page: leaderboard, charts, the axes of its own or of another run (`sweep`), scores over
/// commits (`history`), subjects, and
/// every sample to look at.
///
/// # Errors
/// When a sample cannot be written as JSON, or a table not be worked out.
pub fn report(run: &StoredRun, sweep: Option<&Sweep>, history: Option<&History>) -> Result<String, ReportError> {
    let results: Vec<_> = run.systems.iter().map(crate::results::StoredSystem::results).collect();
    let mut leaderboard = Leaderboard::new(&results)?;
    // What cannot be compared has no difference to show.
    let _ = leaderboard.compare(&results, Bootstrap::default());
    let data = PageData::new(run);
    let json = data.json()?;
    let plans = &run.manifest.plan.systems;
    let costs = costs(plans, &leaderboard, &Gated::all(plans, &leaderboard));
    let sections = [
        PageSection { id: "leaderboard", title: "Leaderboard", body: table(&leaderboard) },
        PageSection {
            id: "charts",
            title: "Charts",
            body: figures(&of_leaderboard(run, &leaderboard)) + &cost_table(&costs),
        },
        PageSection { id: "sweep", title: "Sweep", body: sweep.map_or_else(String::new, swept) },
        PageSection {
            id: "history",
            title: "History",
            body: history.map_or_else(String::new, |history| figures(&history_charts(history))),
        },
        PageSection { id: "subjects", title: "Subjects", body: subjects(run)? },
        PageSection { id: "explorer", title: "Samples", body: explorer(data.samples()) },
    ];
    Ok(page(&run.manifest.plan.name, &facts(run), &sections, &json))
}

fn swept(sweep: &Sweep) -> String {
    figures(&sweep_charts(sweep)) + &sweep_table(sweep)
}

fn figures(charts: &[Chart]) -> String {
    charts.iter().map(Chart::figure).collect()
}

/// When, with what and on what.
fn facts(run: &StoredRun) -> Vec<(&'static str, String)> {
    let manifest = &run.manifest;
    let mut facts = vec![("run", run.folder.display().to_string()), ("started", manifest.started.clone())];
    if let Some(session) = manifest.sessions.last() {
        let commit = session
            .build
            .as_deref()
            .map_or_else(String::new, |commit| format!(" ({})", &commit[..commit.len().min(12)]));
        facts.push(("gac", format!("{}{commit}", session.gac)));
        let machine = &session.machine;
        let processor = machine.processor.as_deref().unwrap_or(&machine.arch);
        let device = session.device.as_deref().unwrap_or("cpu");
        facts.push(("device", format!("{device}; {processor}, {} threads, {}", machine.threads, machine.os)));
    }
    for model in &manifest.models {
        let dtype =
            model.dtype.map_or_else(|| "as stored".to_owned(), |dtype| format!("{dtype:?}").to_ascii_lowercase());
        let commit = model.commit.as_deref().map_or_else(String::new, |commit| format!("@{commit}"));
        let compute = model.settings.get("compute").and_then(Value::as_str);
        let compute = compute.map_or_else(String::new, |compute| format!(", computed in {compute}"));
        facts.push(("model", format!("{} = {}{commit}, {dtype}{compute}", model.name, model.source)));
    }
    facts
}

fn explorer(samples: usize) -> String {
    render("explorer.html", BTreeMap::from([("samples", samples)]))
}
