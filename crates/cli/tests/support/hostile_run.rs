//! A run of made-up systems whose samples are full of hostile texts.

use std::fs;
use std::path::{Path, PathBuf};

use gac_harness::results::{ResponseRecord, SampleRecord};
use gac_harness::{Silent, run};
use gac_systems::{GatePlan, MemberStep, StepRecord};

use crate::fakes::{Fake, choice, echo, opener, plan};
use crate::support;

pub(crate) const HOSTILE: &str =
    "</script><script>window.hacked = 1; alert(1)</script><img src=x onerror=\"window.hacked = 2\">\u{2028}]]>&lt;";

/// A run of one model and of an ensemble at three thresholds, with prompts, steps and hostile texts everywhere.
pub(crate) fn run_with(folder: &Path, documents: usize) -> PathBuf {
    let output = folder.join("run");
    let thresholds = [0.3, 0.6, 0.9];
    let mut fakes = vec![Fake::new("model <b>alone</b>", 1, 3)];
    for (index, threshold) in thresholds.iter().enumerate() {
        fakes.push(Fake::new(&format!("GaC {threshold}"), 2, 4 + 2 * index));
    }
    let mut plan = plan(&output, &fakes);
    for (system, threshold) in plan.systems.iter_mut().skip(1).zip(thresholds) {
        system.gate = Some(GatePlan { member: system.members[0].clone(), threshold });
    }
    plan.log_samples = true;
    plan.trace = true;
    let tasks = [echo("gsm8k", documents), choice("arc_easy", documents / 2)];
    run(&plan, &tasks, &mut opener(&fakes), &mut Silent).unwrap();
    for system in ["model-b-alone-b", "GaC-0.3", "GaC-0.6", "GaC-0.9"] {
        let path = output.join(system).join("gsm8k/samples.jsonl");
        let records = support::lines(path.to_str().unwrap())
            .into_iter()
            .map(|line| hostile(serde_json::from_value(line).unwrap()));
        let lines = records.map(|record| serde_json::to_string(&record).unwrap() + "\n");
        fs::write(&path, lines.collect::<String>()).unwrap();
    }
    output
}

/// The second document's sample gets hostile texts; all of them get views of two members.
fn hostile(mut sample: SampleRecord) -> SampleRecord {
    let view = |token: &str, other: &str| {
        Some(MemberStep { top: vec![(token.to_owned(), 0.6), (other.to_owned(), 0.2)], share: 0.5, unmapped: 0.0 })
    };
    let is_ensemble = sample.ensembled > 0;
    for (index, step) in sample.trace.iter_mut().flatten().enumerate() {
        step.ensembled = is_ensemble && index > 0;
        step.proposed = is_ensemble.then(|| if index == 1 { "?".to_owned() } else { step.text.clone() });
        step.members = vec![view(&step.text, "?"), if step.ensembled { view("?", &step.text) } else { None }];
    }
    if sample.doc_id == 1 {
        sample.response = ResponseRecord::Generated { text: HOSTILE.into(), finish: "stop".into(), thinking: None };
        sample.prompt = Some(HOSTILE.into());
        sample.target = HOSTILE.into();
        sample.filters[0].extracted = HOSTILE.into();
        let step = StepRecord {
            text: HOSTILE.into(),
            ensembled: true,
            proposed: Some(HOSTILE.into()),
            ..StepRecord::default()
        };
        sample.trace = Some(vec![step]);
    }
    sample
}
