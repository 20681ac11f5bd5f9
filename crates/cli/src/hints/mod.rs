//! What a user can do about an error: the one place where an error of a library meets flags.

mod models;
mod results;
mod systems;
mod tasks;

use std::error::Error;

use gac_ensemble::{EnsembleError, RequestError};
use gac_harness::compare::CompareError;
use gac_harness::history::HistoryError;
use gac_harness::import::ImportError;
use gac_harness::plan::PlanError;
use gac_harness::policy::{PolicyError, ReviewError};
use gac_harness::report::LeaderboardError;
use gac_harness::results::{FolderError, ManifestError, ReadError, StoredRunError};
use gac_harness::tasks::GenerationOverridesError;
use gac_harness::{DataError, MergeError, RunError, TaskError};
use gac_inference::remote::RemoteError;
use gac_inference::{ChatError, CheckpointError, EngineError, TokenizerLoadError};
use gac_systems::{OpenError, RecipeError, SpecError};

/// Something that a user can do something about.
pub(crate) trait Hint {
    /// What, for a `hint:` line.
    fn hint(&self) -> Option<String>;
}

/// The hint of one cause. Transparent wrappers hide what they wrap from the chain, so they are asked themselves.
pub(crate) fn hint_of(error: &(dyn Error + 'static)) -> Option<String> {
    macro_rules! ask {
        ($($kind:ty),*) => {
            $(if let Some(error) = error.downcast_ref::<$kind>() {
                return Hint::hint(error);
            })*
        };
    }
    ask!(
        RecipeError,
        PlanError,
        SpecError,
        RunError,
        FolderError,
        TaskError,
        GenerationOverridesError,
        DataError,
        OpenError
    );
    ask!(PolicyError, ReviewError, ImportError, HistoryError);
    ask!(MergeError, ManifestError, ReadError, StoredRunError, CompareError, LeaderboardError, RemoteError);
    ask!(EngineError, CheckpointError, TokenizerLoadError, ChatError, EnsembleError, RequestError);
    None
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use gac_harness::plan::{Overrides, Plan, Recipe};
    use gac_harness::stats::{Side, StatsError};
    use gac_harness::tasks::{DocumentPicks, TaskRegistry};
    use gac_harness::{DataSource, TaskOptions, load_task};
    use gac_inference::remote::ServerEngine;
    use gac_inference::{Engine, EngineOptions, ModelSource, PlacementError};

    use super::*;

    fn parsed(text: &str) -> Recipe {
        let models = "[models]\nllama = { hub = \"meta/llama\" }\nqwen = { hub = \"qwen/qwen@v1\" }\n";
        Recipe::parse(&format!("{text}\n{models}"), Path::new("recipes/test.toml")).unwrap()
    }

    /// The hint about a plan with one system.
    fn of_system(system: &str) -> String {
        let recipe = parsed(&format!("tasks = [\"gsm8k\"]\n[[systems]]\nname = \"both\"\n{system}"));
        hint_of(&Plan::resolve(&recipe, &Overrides::default()).unwrap_err()).unwrap()
    }

    /// The hint about a plan of these tasks.
    fn of_tasks(tasks: &str, picks: Option<&str>) -> String {
        let recipe = parsed(&format!("tasks = [{tasks}]\nsystems = [{{ name = \"a\", members = [\"llama\"] }}]"));
        let plan = Plan::resolve(&recipe, &Overrides::default()).unwrap();
        let picks: Option<DocumentPicks> = picks.map(|picks| picks.parse().unwrap());
        hint_of(&plan.select_tasks(&TaskRegistry::built_in(), picks.as_ref()).unwrap_err()).unwrap()
    }

    #[test]
    fn a_system_that_makes_no_sense_has_a_way_out() {
        assert_eq!(of_system("members = [\"llama\", \"qwem\"]"), "did you mean `qwen`? models: `llama`, `qwen`");
        let both = "members = [\"llama\", \"qwen\"]\n";
        assert_eq!(of_system(&format!("{both}gate = \"gpt\"\nthreshold = 0.5")), "members: `llama`, `qwen`");
        assert!(of_system(&format!("{both}chat-template-args = {{ a = 1 }}")).contains("chat-template = true"));
        assert!(of_system(&format!("{both}gate = \"llama\"\nthresholds = []")).contains("at least one value"));
        let missing = Recipe::load(Path::new("nowhere/none.toml")).unwrap_err();
        assert!(hint_of(&missing).unwrap().contains("recipes/mini.toml"));
    }

    #[test]
    fn tasks_that_are_unknown_or_asked_for_twice_have_a_way_out() {
        let list = "`gac tasks list` shows all, `gac tasks list --subtasks` their groups and subtasks too";
        assert_eq!(of_tasks("\"gms8k\"", None), format!("did you mean `gsm8k`? {list}"));
        assert_eq!(of_tasks("\"zzz*\"", None), list);
        assert!(of_tasks("{ name = \"mmlu_anatomy\", limit = 3 }, \"mmlu_stem\"", None).contains("name it once"));
        let hint = of_tasks("\"mmlu_stem\"", Some(r#"{"mmlu": [3]}"#));
        assert!(
            hint.starts_with("valid are `mmlu_abstract_algebra`, `mmlu_anatomy`") && hint.ends_with(" more"),
            "{hint}"
        );
        let data = DataSource::new(Some("/nowhere".into()));
        let missing = load_task("gsm8k", &data, &TaskOptions::default()).err().unwrap();
        assert!(hint_of(&missing).unwrap().contains("DIR/openai/gsm8k"));
    }

    #[test]
    fn what_cannot_be_written_or_compared_has_a_way_out() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let full = RunError::from(FolderError::Write { path: "results".into(), source: full });
        assert!(hint_of(&full).unwrap().contains("finished samples are kept"));
        let used = FolderError::InUse { path: "results".into(), holder: None };
        assert!(hint_of(&used).unwrap().contains("nothing was changed"));
        let missing = StatsError::MissingDocument { task: "gsm8k".into(), document: "2".into(), missing_in: Side::New };
        assert!(hint_of(&CompareError::Stats(missing)).unwrap().contains("same limit"));
    }

    #[test]
    fn a_model_that_cannot_be_loaded_has_a_way_out() {
        let devices = PlacementError::TooFewLayers { layers: 2, devices: 3 };
        assert_eq!(hint_of(&EngineError::from(devices)).unwrap(), "name fewer devices");
        let of = |config: &str| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("config.json"), config).unwrap();
            let source = ModelSource::Folder(folder.path().to_owned());
            hint_of(&Engine::check(&source, &EngineOptions::default()).unwrap_err()).unwrap()
        };
        assert!(of("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n").contains("git lfs pull"));
        assert!(of("{\"model_type\": \"llama\"").contains("damaged"));
    }

    #[test]
    fn a_server_that_lacks_something_is_said_with_its_own_flag() {
        let error = RemoteError::Lacks {
            server: "http://a:8000".to_owned(),
            engine: ServerEngine::Vllm,
            what: "lists no tokens".to_owned(),
            flag: Some("--max-logprobs -1"),
        };
        assert_eq!(hint_of(&error).unwrap(), "start the server with `--max-logprobs -1`");
    }
}
