//! Documents with a second question: how likely it is that there is no answer.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not every file uses every helper")]
mod support;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use gac_ensemble::{Decoding, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, Sampling};
use gac_harness::metrics::{AnswerScore, DoubtedAnswer, NoAnswerProbability, best_over_thresholds};
use gac_harness::plan::Plan;
use gac_harness::results::{ChoiceRecord, ResponseRecord, SampleRecord, read_samples};
use gac_harness::{LoadedTask, Outcome, Request, RunError, Silent, run};
use gac_systems::{Finished, ReadAnswer, System, SystemError, SystemPlan};
use serde_json::Value;
use support::{Fake, Listener, echo, plan};

/// As `echo`, with a second question: how likely ` b` is. Its answer is -0.5, or impossible where the prompt's is wrong.
fn doubted(name: &str, documents: usize) -> LoadedTask {
    let mut task = echo(name, documents);
    for document in &mut task.documents {
        if let Request::Generate { no_answer, .. } = &mut document.request {
            *no_answer = Some(" b".to_owned());
        }
    }
    task
}

/// A fake that tells what it is asked: `score 3` and `generate 3`.
struct Watched {
    fake: Fake,
    thinks: bool,
    asked: Rc<RefCell<Vec<String>>>,
}

impl System for Watched {
    fn thinks(&self) -> bool {
        self.thinks
    }

    fn generate(
        &mut self,
        asked: &[usize],
        requests: &[GenerationRequest],
        read: &ReadAnswer<'_>,
        finished: &mut Finished<'_, Generation>,
    ) -> Result<(), SystemError> {
        let words = requests.iter().map(|request| format!("generate {}", request.prompt.last_words()));
        self.asked.borrow_mut().extend(words);
        self.fake.generate(asked, requests, read, finished)
    }

    fn log_likelihood(
        &mut self,
        asked: &[usize],
        requests: &[LogLikelihoodRequest],
        finished: &mut Finished<'_, LogLikelihood>,
    ) -> Result<(), SystemError> {
        let words = requests.iter().map(|request| format!("score {}", request.context.last_words()));
        self.asked.borrow_mut().extend(words);
        self.fake.log_likelihood(asked, requests, finished)
    }
}

/// A plan of one system.
fn planned(output: &Path, fake: &Fake) -> Plan {
    plan(output, std::slice::from_ref(fake))
}

/// What a run asked, and what was heard of it.
struct Watch {
    asked: Vec<String>,
    heard: Vec<String>,
    outcome: Result<(), RunError>,
}

fn watch(plan: &Plan, fake: &Fake, thinks: bool, task: LoadedTask, fail_at: Option<usize>) -> Watch {
    let asked: Rc<RefCell<Vec<String>>> = Rc::default();
    let mut open = |_: &SystemPlan| -> Result<Box<dyn System>, SystemError> {
        Ok(Box::new(Watched { fake: fake.clone(), thinks, asked: Rc::clone(&asked) }))
    };
    let mut listener = Listener { fail_at, ..Listener::default() };
    let outcome = run(plan, &[task], &mut open, &mut listener).map(|_| ());
    let (asked, heard) = (asked.borrow().clone(), listener.heard.borrow().clone());
    Watch { asked, heard, outcome }
}

fn samples(folder: &Path) -> Vec<SampleRecord> {
    let mut samples = read_samples(&folder.join("one/squad/samples.jsonl")).unwrap();
    samples.sort_by_key(|sample| (sample.doc_id, sample.repeat));
    samples
}

fn timeless(samples: Vec<SampleRecord>) -> Vec<SampleRecord> {
    samples.into_iter().map(|sample| SampleRecord { seconds: None, elapsed: 0.0, cached: false, ..sample }).collect()
}

#[test]
fn a_sample_has_both_answers_and_the_second_question_is_asked_before_any_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new("one", 1, 2);
    let found = watch(&planned(folder.path(), &fake), &fake, false, doubted("squad", 4), None);
    found.outcome.unwrap();
    assert_eq!(found.asked[..4], ["score 0", "score 1", "score 2", "score 3"]);
    assert_eq!(found.asked[4..], ["generate 0", "generate 1", "generate 2", "generate 3"]);
    let told: Vec<&str> = found.heard.iter().map(String::as_str).filter(|line| line.contains("no answer")).collect();
    assert_eq!(told, ["no answer 1 of 4", "no answer 2 of 4", "no answer 3 of 4", "no answer 4 of 4"]);

    let samples = samples(folder.path());
    // Every second document is answered wrongly, and thinks ` b` impossible.
    let score = |sum: f64| Some(ChoiceRecord { sum, greedy: sum > -1.0, tokens: 1 });
    assert_eq!(samples[0].no_answer, score(f64::NEG_INFINITY));
    assert_eq!(samples[1].no_answer, score(-0.5));
    assert_eq!((samples[0].outcome.clone(), samples[1].outcome.clone()), (Outcome::Wrong, Outcome::Correct));
}

#[test]
fn a_document_whose_second_question_cannot_be_asked_fails_and_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake { refuses: vec!["2"], ..Fake::new("one", 1, 0) };
    let failing = planned(folder.path(), &fake);
    let found = watch(&failing, &fake, false, doubted("squad", 4), None);
    found.outcome.unwrap();
    assert_eq!(found.asked[4..], ["generate 0", "generate 1", "generate 3"]);
    let failed = &samples(folder.path())[2];
    assert!(failed.outcome.is_failed() && failed.no_answer.is_none());
    assert_eq!(failed.response, ResponseRecord::None);

    // The same run again asks it both once more.
    let whole = Fake::new("one", 1, 0);
    let again = watch(&failing, &whole, false, doubted("squad", 4), None);
    assert_eq!(again.asked, ["score 2", "generate 2"]);
    assert!(samples(folder.path()).iter().all(|sample| sample.no_answer.is_some()));
}

#[test]
fn a_run_that_was_cut_short_asks_both_questions_about_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let fake = Fake::new("one", 1, 3);
    watch(&planned(&first, &fake), &fake, false, doubted("squad", 6), None).outcome.unwrap();
    // The run, the system twice, the task, six second questions, and two samples: the third is written and not told.
    let cut = watch(&planned(&second, &fake), &fake, false, doubted("squad", 6), Some(12));
    assert!(matches!(cut.outcome, Err(RunError::Report(_))));
    assert_eq!(samples(&second).len(), 3);
    let rest = watch(&planned(&second, &fake), &fake, false, doubted("squad", 6), None);
    assert_eq!(rest.asked, ["score 0", "score 2", "score 4", "generate 0", "generate 2", "generate 4"]);
    assert_eq!(timeless(samples(&second)), timeless(samples(&first)));
    let aggregates = |run: &Path| {
        let text = std::fs::read(run.join("one/squad/results.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()["aggregates"].clone()
    };
    assert_eq!(aggregates(&second), aggregates(&first));
}

#[test]
fn another_second_question_is_another_sample_and_another_response() {
    let folder = tempfile::tempdir().unwrap();
    let (fake, output) = (Fake::new("one", 1, 0), folder.path().join("run"));
    let cached = |output: &Path| Plan { use_cache: Some(folder.path().join("cache")), ..planned(output, &fake) };
    watch(&cached(&output), &fake, false, doubted("squad", 2), None).outcome.unwrap();
    let before = timeless(samples(&output));
    // From the cache, in another folder: nothing is asked.
    let elsewhere = folder.path().join("elsewhere");
    let again = watch(&cached(&elsewhere), &fake, false, doubted("squad", 2), None);
    assert!(again.asked.is_empty(), "{:?}", again.asked);
    assert_eq!(timeless(samples(&elsewhere)), before);

    let without = watch(&cached(&output), &fake, false, echo("squad", 2), None);
    assert_eq!(without.asked, ["generate 0", "generate 1"]);
    assert!(samples(&output).iter().all(|sample| sample.no_answer.is_none()));
}

#[test]
fn a_document_that_is_continued_several_times_is_asked_the_second_question_once() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new("one", 1, 0);
    let mut drawing = planned(folder.path(), &fake);
    drawing.systems[0].settings.decoding = Decoding::Sampled(Sampling::new(1.0, 7).unwrap());
    let mut task = doubted("squad", 2);
    task.repeat(3);
    let found = watch(&drawing, &fake, false, task, None);
    found.outcome.unwrap();
    assert_eq!(found.asked.iter().filter(|asked| asked.starts_with("score")).count(), 2);
    assert_eq!(samples(folder.path()).iter().filter(|sample| sample.no_answer.is_some()).count(), 6);
}

#[test]
fn a_system_that_thinks_is_told_that_the_second_question_leaves_no_room_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new("one", 1, 0);
    let found = watch(&planned(folder.path(), &fake), &fake, true, doubted("squad", 2), None);
    let warnings: Vec<&String> = found.heard.iter().filter(|line| line.starts_with("warning")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("how likely no answer is without that"), "{warnings:?}");
}

#[test]
fn a_second_question_that_is_left_out_or_answered_twice_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (index, fake) in
        [Fake { skip: Some(1), ..Fake::new("one", 1, 0) }, Fake { twice: Some(1), ..Fake::new("one", 1, 0) }]
            .into_iter()
            .enumerate()
    {
        let output = folder.path().join(index.to_string());
        let error = run(&planned(&output, &fake), &[doubted("squad", 2)], &mut support::opener(&[fake]), &mut Silent);
        assert!(error.unwrap_err().to_string().contains("the second question about document 1"));
    }
}

/// What lm-evaluation-harness's own task makes of made-up runs (`scripts/lm_eval/squad_v2.py`).
#[test]
fn figures_at_the_best_threshold_are_lm_evaluation_harnesss() {
    let text = include_str!("fixtures/squad_v2.jsonl");
    let (mut runs, mut ties) = (0, 0);
    for run in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        for (score, figure) in [(AnswerScore::Exact, "best_exact"), (AnswerScore::F1, "best_f1")] {
            let answers = run["rows"].as_array().unwrap().iter().map(|row| {
                let right: Vec<&str> =
                    row["answers"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
                let text = row["response"].as_str().unwrap();
                DoubtedAnswer {
                    score: score.score(text, &right),
                    is_empty: text.is_empty(),
                    has_answer: !right.is_empty(),
                    no_answer: NoAnswerProbability::of_log(row["no_answer"].as_f64().unwrap()),
                }
            });
            let found = best_over_thresholds(&answers.collect::<Vec<_>>()).unwrap();
            let expected = run[figure].as_f64().unwrap();
            assert_eq!(score.best_name(), figure);
            assert!((found - expected).abs() < 1e-12, "{figure} is {found}, not {expected}: {run}");
        }
        runs += 1;
        ties += usize::from(run["likely"] != "drawn");
    }
    assert_eq!((runs, ties), (80, 60));
}
