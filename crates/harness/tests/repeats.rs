//! Documents that are asked several times.

#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[allow(dead_code, reason = "not every file uses every helper")]
mod support;

use std::path::Path;

use gac_ensemble::{
    Decoding, DraftCounts, Finish, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, Sampling,
};
use gac_harness::compare::{self, RegressionRule};
use gac_harness::plan::Plan;
use gac_harness::results::{StoredRun, read_samples};
use gac_harness::stats::Bootstrap;
use gac_harness::{LoadedTask, RunError, Silent};
use gac_systems::{Finished, ReadAnswer, System, SystemError, SystemPlan};
use support::{Fake, choice, echo, plan};

/// Answers rightly where the sum of prompt and seed is a multiple of `of`, else with what is left.
struct Dice {
    of: u64,
}

impl System for Dice {
    fn generate(
        &mut self,
        _asked: &[usize],
        requests: &[GenerationRequest],
        _read: &ReadAnswer<'_>,
        finished: &mut Finished<'_, Generation>,
    ) -> Result<(), SystemError> {
        for (index, request) in requests.iter().enumerate() {
            let prompt = request.prompt.last_words().into_owned();
            let Some(Decoding::Sampled(sampling)) = request.decoding.or(Some(drawn(100))) else {
                panic!("nothing is drawn")
            };
            let rest = (prompt.parse::<u64>().unwrap() + sampling.seed()) % self.of;
            let text = if rest == 0 { prompt } else { format!("not {rest}") };
            let generation = Generation {
                thinking: None,
                bytes: text.into_bytes(),
                tokens: 4,
                ensembled: 0,
                prompt_tokens: vec![3],
                member_tokens: vec![4],
                truncated: false,
                finish: Finish::Stop,
                seconds: 0.04,
                drafts: DraftCounts::default(),
                steps: vec![],
            };
            if finished(index, Ok((0, generation))).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn log_likelihood(
        &mut self,
        _asked: &[usize],
        requests: &[LogLikelihoodRequest],
        finished: &mut Finished<'_, LogLikelihood>,
    ) -> Result<(), SystemError> {
        for (index, request) in requests.iter().enumerate() {
            let sum = if request.continuation == " b" { -0.5 } else { -1.5 };
            let score = LogLikelihood { sum, greedy: true, tokens: vec![sum], truncated: false };
            if finished(index, Ok((0, score))).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn drawn(seed: u64) -> Decoding {
    Decoding::Sampled(Sampling::new(1.0, seed).unwrap())
}

fn sampled(output: &Path) -> Plan {
    let mut plan = plan(output, &[Fake::new("dice", 1, 0)]);
    plan.systems[0].settings.decoding = drawn(100);
    plan
}

fn repeated(mut task: LoadedTask, times: usize) -> LoadedTask {
    task.repeat(times);
    task
}

fn run(output: &Path, of: u64, repeats: usize) -> StoredRun {
    let mut open = move |_: &SystemPlan| -> Result<Box<dyn System>, SystemError> { Ok(Box::new(Dice { of })) };
    let tasks = [repeated(echo("gsm8k", 12), repeats), repeated(choice("arc_easy", 5), repeats)];
    gac_harness::run(&sampled(output), &tasks, &mut open, &mut Silent).unwrap();
    StoredRun::read(output).unwrap()
}

#[test]
fn every_repeat_is_a_sample_with_a_seed_of_its_own_and_figures_are_over_documents() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&folder.path().join("run"), 3, 4);
    let task = &run.systems[0].tasks[0];
    assert_eq!((task.samples.len(), task.results.documents, task.results.repeats), (48, 12, 4));
    let repeats: Vec<usize> = task.samples.iter().take(5).map(|sample| sample.repeat).collect();
    assert_eq!(repeats, [0, 1, 2, 3, 0]);
    // Prompt and seed, 100 to 103, make a multiple of 3 once in 8 documents and twice in 4.
    let figure = |metric: &str| {
        let found = task.results.aggregates.iter().find(|aggregate| aggregate.key.metric == metric).unwrap();
        (found.value, found.stderr.unwrap())
    };
    let (mean, stderr) = figure("avg@4");
    assert!((mean - 4.0 / 12.0).abs() < 1e-12 && (task.results.value - mean).abs() < 1e-12);
    // Eight means of 1/4 and four of 1/2.
    let deviation = ((8.0 * (1.0_f64 / 12.0).powi(2) + 4.0 * (1.0_f64 / 6.0).powi(2)) / 11.0).sqrt();
    assert!((stderr - deviation / 12.0_f64.sqrt()).abs() < 1e-12, "{stderr}");
    // 1 - C(3, 2) / C(4, 2) and 1 - C(2, 2) / C(4, 2).
    assert!((figure("pass@2").0 - (8.0 * 0.5 + 4.0 * 5.0 / 6.0) / 12.0).abs() < 1e-12);
    assert!((figure("pass@4").0 - 1.0).abs() < 1e-12);
    // Right twice is a majority, right once is none: then another answer comes twice.
    assert!((figure("maj@4").0 - 4.0 / 12.0).abs() < 1e-12);
    // Choices come out the same every time.
    assert_eq!((run.systems[0].tasks[1].samples.len(), run.systems[0].tasks[1].results.repeats), (5, 1));
}

#[test]
fn a_run_that_is_gone_on_with_asks_for_the_repeats_that_are_missing_alone() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run");
    run(&output, 3, 2);
    let before = read_samples(&output.join("dice/gsm8k/samples.jsonl")).unwrap();
    // Another system would answer otherwise: what is there is kept.
    let after = run(&output, 5, 4);
    let samples = &after.systems[0].tasks[0].samples;
    assert_eq!((before.len(), samples.len()), (24, 48));
    assert!(before.iter().all(|sample| samples.contains(sample)));
    let mut identities: Vec<_> = samples.iter().map(|sample| sample.identity.clone()).collect();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), 48);
}

#[test]
fn runs_with_repeats_are_compared_document_by_document() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = (run(&folder.path().join("base"), 3, 4), run(&folder.path().join("new"), 7, 4));
    let rule = RegressionRule::new(0.0, 0.05).unwrap();
    let found = compare::compare(&base, &new, &[], &["gsm8k".into()], rule, Bootstrap::default()).unwrap();
    let finding = &found.systems[0].findings[0];
    assert_eq!((finding.documents, finding.failed), (12, 0));
    assert!((finding.base - 4.0 / 12.0).abs() < 1e-12);
    let documents = finding.discordant.better + finding.discordant.worse;
    assert!(documents <= 12 && found.systems[0].flips.len() as u64 == documents);
    // 48 tries would tell; sign flips of 12 documents are what there is.
    assert!(finding.p > 0.0 && finding.p < 1.0, "{}", finding.p);
}

#[test]
fn a_system_that_draws_nothing_is_not_asked_twice() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake::new("one", 1, 0)];
    let tasks = [repeated(echo("gsm8k", 3), 2)];
    let plan = plan(&folder.path().join("run"), &fakes);
    let error = gac_harness::run(&plan, &tasks, &mut support::opener(&fakes), &mut Silent).unwrap_err();
    assert!(matches!(&error, RunError::NothingDrawn { system, .. } if system == "one"), "{error}");
    assert!(!folder.path().join("run").exists());
}
