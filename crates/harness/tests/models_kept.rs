//! Which models of a run are in memory when.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use gac_harness::plan::{Overrides, Plan, Recipe};
use gac_harness::tasks::Limit;
use gac_harness::{DataSource, Silent, TaskOptions, load_task, run};
use gac_inference::DeviceSpec;
use gac_systems::{ModelIdentity, ModelStore, OpenSystems, System, SystemError, SystemPlan};

/// A store that is asked what it holds whenever a system was opened.
struct Watched {
    store: ModelStore,
    held: Vec<Vec<String>>,
}

impl OpenSystems for Watched {
    fn identify(&mut self, system: &SystemPlan) -> Result<Vec<ModelIdentity>, SystemError> {
        self.store.identify(system)
    }

    fn keep_for(&mut self, coming: &[SystemPlan]) {
        self.store.keep_for(coming);
    }

    fn open(&mut self, system: &SystemPlan, thresholds: &[f64]) -> Result<Box<dyn System + '_>, SystemError> {
        drop(self.store.open(system, thresholds)?);
        self.held.push(self.store.scheduler().models().iter().map(|model| model.name.clone()).collect());
        self.store.open(system, thresholds)
    }
}

#[test]
fn a_model_is_let_go_once_no_system_that_follows_needs_it() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let text = "tasks = [\"gsm8k\"]\n[models]\na = { path = \"models/mini-llama\" }\n\
                b = { path = \"models/mini-qwen\" }\nc = { path = \"models/mini-llama\" }\n\
                [[systems]]\nname = \"first\"\nmembers = [\"a\"]\n\
                [[systems]]\nname = \"both\"\nmembers = [\"a\", \"b\"]\n\
                [[systems]]\nname = \"alone\"\nmembers = [\"b\"]\ndraft = \"c\"\n\
                [[systems]]\nname = \"last\"\nmembers = [\"b\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe::parse(text, &root.join("recipe.toml")).unwrap();
    let output = Some(folder.path().join("run"));
    let plan = Plan::resolve(&recipe, &Overrides { output, ..Overrides::default() }).unwrap();
    let data = DataSource::new(Some(root.join("datasets/mini")));
    let options = TaskOptions { limit: Limit::documents(2).ok(), ..TaskOptions::default() };
    let tasks = [load_task("gsm8k", &data, &options).unwrap()];
    let store = ModelStore::new(plan.models.clone(), DeviceSpec::Cpu, 4);
    let mut watched = Watched { store, held: Vec::new() };
    run(&plan, &tasks, &mut watched, &mut Silent).unwrap();
    assert_eq!(watched.held, [vec!["a"], vec!["a", "b"], vec!["b", "c"], vec!["b"]]);
}
