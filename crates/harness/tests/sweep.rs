//! Thresholds as an axis of a run, on the miniature models: what each gives by itself, at the price of less than two runs.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gac_ensemble::{
    BatchLimits, Certainty, Gating, Generation, GenerationRequest, Member, MemberId, ModelId, Scheduler, Settings,
    Threshold, Weights,
};
use gac_harness::plan::{Overrides, Plan, Recipe};
use gac_harness::report::Sweep;
use gac_harness::results::{LatencyBasis, SampleRecord, StoredRun, StoredSystem, read_samples};
use gac_harness::tasks::Limit;
use gac_harness::{DataSource, Event, LoadedTask, Reporter, Silent, TaskOptions, load_task, run};
use gac_inference::testkit::Before;
use gac_inference::{DeviceSpec, LanguageModel};
use gac_systems::{ModelStore, SystemsOverrides, SystemsPlan};

const LIMITS: BatchLimits = BatchLimits { max_samples: 16, chunk: usize::MAX };

/// Counts the next-token distributions that are asked of a model: prompts, which are the same work for all, are one.
fn counting(inner: Box<dyn LanguageModel>, asked: Arc<AtomicUsize>) -> Box<dyn LanguageModel> {
    Box::new(Before::each(inner, move |_, batch| {
        let wanted = batch.iter().map(|extension| extension.wanted.indices(extension.tokens.len()).len()).sum();
        asked.fetch_add(wanted, Ordering::Relaxed);
        Ok(())
    }))
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
    let counting = |member: Member| Member { model: counting(member.model, Arc::clone(&asked)), ..member };
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
    let under = Arc::new(settings.clone().with_thresholds(&thresholds).unwrap());
    gac_ensemble::generate_each(&mut scheduler, &under, &requests, LIMITS, &mut |request, generation| {
        let (t, generation) = generation.unwrap();
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

/// A run of the miniature models with `systems`, into `output`.
fn planned(systems: &str, output: &Path, batch_size: usize) -> Plan {
    let text = format!(
        "tasks = [\"gsm8k\", \"arc_easy\"]\n[models]\na = {{ path = \"models/mini-llama\" }}\n\
         b = {{ path = \"models/mini-qwen\" }}\n{systems}"
    );
    let recipe = Recipe::parse(&text, &root().join("recipe.toml")).unwrap();
    let (output, batch_size) = (Some(output.to_path_buf()), Some(batch_size));
    Plan::resolve(&recipe, &Overrides { output, batch_size, ..Overrides::default() }).unwrap()
}

fn executed(plan: &Plan, tasks: &[LoadedTask], reporter: &mut dyn Reporter) -> StoredRun {
    let mut store = ModelStore::new(plan.models.clone(), DeviceSpec::Cpu, plan.batch_size);
    run(plan, tasks, &mut store, reporter).unwrap();
    StoredRun::read(&plan.output).unwrap()
}

const AXIS: &str = "[[systems]]\nname = \"s\"\nmembers = [\"a\", \"b\"]\ngate = \"a\"\nthresholds = [0, 0.5, 1]\n";

/// What is to be the same, however systems are run.
fn same(sample: &SampleRecord) -> impl PartialEq + std::fmt::Debug + use<> {
    let cost = (sample.tokens, sample.ensembled, sample.member_tokens.clone());
    (sample.identity.clone(), sample.response.clone(), sample.outcome.clone(), cost)
}

fn samples(system: &StoredSystem) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    system.tasks.iter().flat_map(|task| &task.samples).map(same).collect()
}

#[test]
fn the_systems_of_an_axis_have_the_samples_that_each_has_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = [task("gsm8k", 6), task("arc_easy", 6)];
    let axis = executed(&planned(AXIS, &folder.path().join("axis"), 8), &tasks, &mut Silent);
    let names: Vec<&str> = axis.systems.iter().map(|system| system.name.as_str()).collect();
    assert_eq!(names, ["s @ 0", "s @ 0.5", "s @ 1"]);
    let alone = |threshold: &str| {
        format!(
            "[[systems]]\nname = \"at {threshold}\"\nmembers = [\"a\", \"b\"]\ngate = \"a\"\nthreshold = {threshold}\n"
        )
    };
    let separate = ["0", "0.5", "1"].map(alone).concat();
    let separate = executed(&planned(&separate, &folder.path().join("separate"), 8), &tasks, &mut Silent);
    // The axis again, one by one, as latencies are measured.
    let timed = executed(&planned(AXIS, &folder.path().join("timed"), 1), &tasks, &mut Silent);
    for ((together, separate), timed) in axis.systems.iter().zip(&separate.systems).zip(&timed.systems) {
        assert_eq!(samples(together), samples(separate), "{}", together.name);
        assert_eq!(samples(together), samples(timed), "{}", together.name);
        let basis = |system: &StoredSystem| system.tasks[0].results.timing.latency_basis;
        assert_eq!((basis(together), basis(timed)), (Some(LatencyBasis::Modelled), Some(LatencyBasis::Request)));
        assert!(together.tasks[0].samples.iter().all(|sample| sample.seconds.is_none()));
    }
    assert_ne!(samples(&axis.systems[0]), samples(&axis.systems[2]), "thresholds matter");

    let sweep = Sweep::of(&axis).unwrap();
    assert_eq!(sweep.entries.iter().map(|entry| entry.task.as_str()).collect::<Vec<_>>(), ["gsm8k", "arc_easy"]);
    let [generated, chosen] = &sweep.entries[..] else { panic!("two tasks") };
    let shares: Vec<f64> = generated.points.iter().map(|point| point.ensembled_share.unwrap()).collect();
    assert!(shares.is_sorted_by(|a, b| a < b), "{shares:?}");
    // Which costs more is for a quiet machine to say.
    let costs = generated.costs.unwrap();
    assert!(costs.alone_ms > 0.0 && costs.vote_ms > 0.0, "{costs:?}");
    assert!(generated.points.iter().all(|point| point.modelled_ms_per_token.unwrap() > 0.0));
    assert!(chosen.costs.is_none() && chosen.points.iter().all(|point| point.tokens == 0));
    let measured = Sweep::of(&timed).unwrap();
    let points = &measured.entries[0].points;
    assert!(points.iter().all(|point| point.measured_ms_per_token.is_some() && point.modelled_ms_per_token.is_some()));
    assert_eq!(Sweep::of(&separate), None);
}

/// Which samples were made, by system and document, and how many were taken over.
#[derive(Default)]
struct Made {
    samples: Vec<(String, usize)>,
    reused: usize,
}

impl Reporter for Made {
    fn on(&mut self, event: &Event<'_>) -> std::io::Result<()> {
        match event {
            Event::SampleFinished { record, .. } => self.samples.push((record.system.clone(), record.doc_id)),
            Event::TaskStarted { reused, .. } => self.reused += reused,
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn a_resumed_axis_asks_each_threshold_for_what_it_lacks_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = [task("gsm8k", 5)];
    let plan = Plan { tasks: Vec::new(), ..planned(AXIS, &folder.path().join("run"), 8) };
    let before = executed(&plan, &tasks, &mut Silent);
    let costs = before.systems[0].tasks[0].results.timing.step_costs;
    // One threshold loses its last two samples, another its last.
    for (system, lost) in [(0, 2), (2, 1)] {
        let entry = &before.manifest.systems[system];
        let path = plan.output.join(&entry.folder).join(&before.manifest.tasks[0].folder).join("samples.jsonl");
        let kept = read_samples(&path).unwrap().len() - lost;
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().take(kept).collect();
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let mut made = Made::default();
    let after = executed(&plan, &tasks, &mut made);
    let of = |system: &str| made.samples.iter().filter(|(name, _)| name == system).count();
    assert_eq!((of("s @ 0"), of("s @ 0.5"), of("s @ 1"), made.reused), (2, 0, 1, 12));
    for (before, after) in before.systems.iter().zip(&after.systems) {
        assert_eq!(samples(before), samples(after));
        assert_eq!(after.tasks[0].results.timing.step_costs, costs, "what steps cost is not timed again");
    }
}

#[test]
fn a_document_that_cannot_be_asked_fails_at_every_threshold_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut of_task = task("arc_easy", 4);
    if let gac_harness::Request::Choose { continuations, .. } = &mut of_task.documents[1].request {
        // Nothing to score: no system can be asked.
        continuations[0].clear();
    }
    let run = executed(&planned(AXIS, &folder.path().join("run"), 8), &[of_task], &mut Silent);
    for system in &run.systems {
        let failed: Vec<usize> =
            system.tasks[0].samples.iter().filter(|s| s.outcome.is_failed()).map(|s| s.doc_id).collect();
        assert_eq!((failed, system.tasks[0].results.outcomes.failed), (vec![1], 1), "{}", system.name);
    }
    let points = &Sweep::of(&run).unwrap().entries[0].points;
    assert!(points.iter().all(|point| (point.documents, point.failed) == (3, 1)));
}
