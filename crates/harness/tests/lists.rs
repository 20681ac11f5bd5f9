//! Miniature ensembles whose members list 20 tokens, as servers do: the same text, and how often more was asked.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, Member, ModelId, Scheduler,
    Settings, Threshold, Weights, generate, log_likelihood,
};
use gac_harness::plan::Recipe;
use gac_harness::tasks::Limit;
use gac_harness::{DataSource, LoadedTask, TaskOptions, load_task};
use gac_inference::DeviceSpec;
use gac_inference::testkit::Listing;
use gac_systems::{ModelStore, SystemsOverrides, SystemsPlan};

const LIMITS: BatchLimits = BatchLimits { max_samples: 16, chunk: usize::MAX };

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The two miniatures; `listed` tokens each, or all.
fn minis(listed: Option<usize>) -> (Scheduler, Settings) {
    let text = "[models]\na = { path = \"models/mini-llama\" }\nb = { path = \"models/mini-qwen\" }\n\
                [[systems]]\nname = \"s\"\nmembers = [\"a\", \"b\"]\ngate = \"a\"\nthreshold = 0.9\n";
    let recipe = Recipe::parse(text, &root().join("recipe.toml")).unwrap();
    let SystemsPlan { models, systems } = SystemsPlan::resolve(&recipe.specs, &SystemsOverrides::default()).unwrap();
    let mut store = ModelStore::new(models, DeviceSpec::Cpu, 16);
    store.settings(&systems[0]).unwrap();
    let list = |member: Member| match listed {
        Some(k) => Member { model: Box::new(Listing::of(member.model, k)), ..member },
        None => member,
    };
    let mut scheduler = Scheduler::new(store.into_scheduler().into_models().into_iter().map(list).collect());
    let ensemble = scheduler.ensemble(&[ModelId(0), ModelId(1)]).unwrap();
    let settings = Settings::new(ensemble, Weights::uniform(2), gac_ensemble::Gating::EveryStep).unwrap();
    (scheduler, settings)
}

fn task(name: &str, limit: usize) -> LoadedTask {
    let data = DataSource::new(Some(root().join("datasets/mini")));
    let limit = Limit::documents(limit).ok();
    load_task(name, &data, &TaskOptions { num_fewshot: Some(1), limit, ..TaskOptions::default() }).unwrap()
}

#[test]
fn lists_say_what_full_distributions_say_and_long_ones_seldom_ask() {
    let every = |settings: Settings| settings;
    let gated = |settings: Settings| {
        let gate = gac_ensemble::Gating::KeyTokens {
            gate: gac_ensemble::MemberId(0),
            certainty: gac_ensemble::Certainty::TopProbability,
            threshold: Threshold::new(0.9).unwrap(),
        };
        settings.with_gating(gate).unwrap()
    };
    let requests: Vec<GenerationRequest> = ["gsm8k", "triviaqa"]
        .iter()
        .flat_map(|name| task(name, 30).documents)
        .filter_map(|document| document.generation_request(None, true))
        .collect();
    for (name, with) in [("every step", &every as &dyn Fn(Settings) -> Settings), ("gated", &gated)] {
        let run = |listed| {
            let (mut scheduler, settings) = minis(listed);
            let settings = Arc::new(with(settings));
            let mut all: Vec<Option<Generation>> = vec![None; requests.len()];
            generate(&mut scheduler, &settings, &requests, LIMITS, &mut |index, generation| {
                all[index] = Some(generation);
                ControlFlow::Continue(())
            })
            .unwrap();
            all.into_iter().map(Option::unwrap).collect::<Vec<_>>()
        };
        let full = run(None);
        for k in [1, 20] {
            let (mut steps, mut asked, mut asks) = (0, 0, 0);
            for (a, b) in run(Some(k)).iter().zip(&full) {
                assert_eq!((a.text(), a.ensembled, &a.member_tokens), (b.text(), b.ensembled, &b.member_tokens));
                steps += a.ensembled;
                asked += a.steps.iter().filter(|step| step.asks > 0).count();
                asks += a.steps.iter().map(|step| step.asks).sum::<usize>();
            }
            println!("{name}: of {steps} votes on lists of {k}, {asked} needed more: {asks} questions");
            let most = if k == 1 { steps } else { steps / 20 };
            assert!(asked <= most && (k > 1 || asked > 0), "{name}, lists of {k}: {asked} of {steps}");
        }
    }
}

#[test]
fn scores_by_lists_of_20_are_exact() {
    let requests: Vec<LogLikelihoodRequest> =
        task("arc_easy", 20).documents.iter().flat_map(|document| document.choice_requests(None)).collect();
    let run = |listed| {
        let (mut scheduler, settings) = minis(listed);
        let mut all: Vec<LogLikelihood> = Vec::new();
        log_likelihood(&mut scheduler, &Arc::new(settings), &requests, LIMITS, &mut |_, score| {
            all.push(score);
            ControlFlow::Continue(())
        })
        .unwrap();
        all
    };
    assert_eq!(run(Some(20)), run(None));
}
