//! Sweeps on the miniature models: what each threshold alone gives, at the price of less than two runs.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gac_ensemble::{
    BatchLimits, Certainty, Gating, Generation, GenerationRequest, Member, MemberId, ModelId, Scheduler, Settings,
    Threshold, Weights,
};
use gac_harness::plan::Recipe;
use gac_harness::sweep::{SweepOptions, sweep};
use gac_harness::tasks::Limit;
use gac_harness::{DataSource, LoadedTask, TaskOptions, load_task};
use gac_inference::{DeviceSpec, Distribution, Extension, LanguageModel, Limits, ModelError, SequenceId, TokenId};
use gac_systems::{ModelStore, SystemsOverrides, SystemsPlan};

const LIMITS: BatchLimits = BatchLimits { max_samples: 16, chunk: usize::MAX };

/// Counts the next-token distributions that are asked of a model: prompts, which are the same work for all, are one.
struct Counting {
    inner: Box<dyn LanguageModel>,
    asked: Arc<AtomicUsize>,
}

impl LanguageModel for Counting {
    fn limits(&self) -> Limits {
        self.inner.limits()
    }
    fn open(&mut self, prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        self.inner.open(prompt)
    }
    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        self.inner.fork(sequence)
    }
    fn truncate(&mut self, sequence: SequenceId, length: usize) -> Result<(), ModelError> {
        self.inner.truncate(sequence, length)
    }
    fn close(&mut self, sequence: SequenceId) {
        self.inner.close(sequence);
    }
    fn length(&self, sequence: SequenceId) -> usize {
        self.inner.length(sequence)
    }
    fn extend(&mut self, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError> {
        let asked = batch.iter().map(|extension| extension.wanted.indices(extension.tokens.len()).len()).sum();
        self.asked.fetch_add(asked, Ordering::Relaxed);
        self.inner.extend(batch)
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn minis() -> (Scheduler, Settings, Arc<AtomicUsize>) {
    let text = "[models]\na = { path = \"models/mini-llama\" }\nb = { path = \"models/mini-qwen\" }\n\
                [[systems]]\nname = \"s\"\nmembers = [\"a\", \"b\"]\ngate = \"a\"\nthreshold = 0.5\n";
    let recipe = Recipe::parse(text, &root().join("recipe.toml")).unwrap();
    let SystemsPlan { models, systems } = SystemsPlan::resolve(&recipe.specs, &SystemsOverrides::default()).unwrap();
    let mut store = ModelStore::new(models, DeviceSpec::Cpu, 16);
    store.settings(&systems[0]).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = |member: Member| Member {
        model: Box::new(Counting { inner: member.model, asked: Arc::clone(&asked) }),
        ..member
    };
    let members = store.into_scheduler().into_models().into_iter().map(counting).collect();
    let mut scheduler = Scheduler::new(members);
    let ensemble = scheduler.ensemble(&[ModelId(0), ModelId(1)]).unwrap();
    let settings = Settings::new(ensemble, Weights::uniform(2), at(0.5)).unwrap();
    (scheduler, settings, asked)
}

fn task(name: &str, limit: usize) -> LoadedTask {
    let data = DataSource::new(Some(root().join("datasets/mini")));
    load_task(
        name,
        &data,
        &TaskOptions { num_fewshot: Some(1), limit: Limit::documents(limit).ok(), ..TaskOptions::default() },
    )
    .unwrap()
}

fn requests(task: &LoadedTask) -> Vec<GenerationRequest> {
    task.documents.iter().filter_map(|document| document.generation_request(None, false)).collect()
}

fn generate(scheduler: &mut Scheduler, settings: Settings, requests: &[GenerationRequest]) -> Vec<Generation> {
    let mut all = vec![None; requests.len()];
    gac_ensemble::generate(scheduler, &Arc::new(settings), requests, LIMITS, &mut |index, generation| {
        all[index] = Some(generation);
        ControlFlow::Continue(())
    })
    .unwrap();
    all.into_iter().map(Option::unwrap).collect()
}

fn at(threshold: f64) -> Gating {
    let threshold = Threshold::new(threshold).unwrap();
    Gating::KeyTokens { gate: MemberId(0), certainty: Certainty::TopProbability, threshold }
}

#[test]
fn ten_thresholds_on_gsm8k_are_what_each_is_alone_and_cost_less_than_two_runs_of_every_step() {
    let values: Vec<f64> = (1..=10).map(|t| f64::from(t) / 10.0).collect();
    let thresholds: Vec<Threshold> = values.iter().map(|&t| Threshold::new(t).unwrap()).collect();
    let task = task("gsm8k", 12);
    let requests = requests(&task);
    let (mut scheduler, settings, asked) = minis();
    let mut together: Vec<Vec<Option<Generation>>> = vec![vec![None; values.len()]; requests.len()];
    gac_ensemble::sweep(&mut scheduler, &settings, &thresholds, &requests, LIMITS, &mut |request, t, generation| {
        together[request][t] = Some(generation);
        ControlFlow::Continue(())
    })
    .unwrap();
    let swept = asked.load(Ordering::Relaxed);
    let mut different = 0;
    for (t, &value) in values.iter().enumerate() {
        let alone = settings.clone().with_gating(at(value)).unwrap();
        for (request, alone) in generate(&mut scheduler, alone, &requests).iter().enumerate() {
            let swept = together[request][t].as_ref().unwrap();
            assert_eq!(swept.text(), alone.text(), "document {request} at {value}");
            assert_eq!((swept.tokens, swept.ensembled), (alone.tokens, alone.ensembled), "document {request}, {value}");
            assert_eq!(swept.member_tokens, alone.member_tokens);
            different += usize::from(alone.text() != together[request][0].as_ref().unwrap().text());
        }
    }
    assert!(different > 5, "thresholds matter: {different}");
    asked.store(0, Ordering::Relaxed);
    generate(&mut scheduler, settings.with_gating(Gating::EveryStep).unwrap(), &requests);
    let every = asked.load(Ordering::Relaxed);
    println!("distributions asked of both models: {swept} for ten thresholds, {every} for every step");
    assert!(swept <= 2 * every, "{swept} against {every}");
}

#[test]
fn a_sweep_scores_generations_and_choices_at_every_threshold() {
    let thresholds = [0.0, 0.5, 1.0].map(|t| Threshold::new(t).unwrap()).to_vec();
    let (mut scheduler, settings, _) = minis();
    for (name, measure_latency) in [("gsm8k", true), ("arc_easy", false)] {
        let task = task(name, 6);
        let options = SweepOptions { thresholds: thresholds.clone(), measure_latency, limits: LIMITS, chat: None };
        let mut finished = 0;
        let report = sweep("s", &mut scheduler, &settings, &task, &options, &mut || finished += 1).unwrap();
        assert_eq!(finished, 18);
        assert_eq!(report.points.iter().map(|point| point.threshold).collect::<Vec<_>>(), [0.0, 0.5, 1.0]);
        assert!(report.points.iter().all(|point| point.documents == 6 && (0.0..=1.0).contains(&point.value)));
        if measure_latency {
            let shares: Vec<f64> = report.points.iter().map(|point| point.ensembled_share.unwrap()).collect();
            assert!(shares.is_sorted_by(|a, b| a < b), "{shares:?}");
            assert_eq!((shares[0].to_bits(), shares[2].to_bits()), (0.0_f64.to_bits(), 1.0_f64.to_bits()));
            let costs = report.costs.unwrap();
            // Which is larger is for a quiet machine to say.
            assert!(costs.alone_ms > 0.0 && costs.vote_ms > 0.0, "{costs:?}");
            assert!(report.points.iter().all(|point| point.measured_ms_per_token.unwrap() > 0.0));
            assert!(report.points.iter().all(|point| point.modelled_ms_per_token.unwrap() > 0.0));
        } else {
            assert!(report.costs.is_none() && report.points.iter().all(|point| point.tokens == 0));
        }
    }
}
