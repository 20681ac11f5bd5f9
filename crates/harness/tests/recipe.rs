//! Recipes: what is understood, what is decided, and what is said about mistakes.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::path::{Path, PathBuf};

use gac_harness::Timestamp;
use gac_harness::plan::{Overrides, Plan, PlanError, Recipe, TaskSpec};
use gac_harness::tasks::{DocumentPicks, Limit, TaskRegistry};
use gac_inference::Dtype;
use gac_inference::TemplateChoice;
use gac_systems::{
    DEFAULT_BATCH_SIZE, GatePlan, ModelOrigin, ModelSpec, SettingError, SpecError, SystemSpec, SystemsOverrides,
    SystemsSpec, ThinkEndToken,
};

/// Two hub models, so that no folder is needed, and whatever stands in the middle.
fn recipe(systems: &str) -> Recipe {
    let text = format!(
        "tasks = [\"gsm8k\"]\n[models]\nllama = {{ hub = \"meta/llama\" }}\nqwen = {{ hub = \"qwen/qwen@v1\" }}\n{systems}"
    );
    Recipe::parse(&text, Path::new("recipes/test.toml")).unwrap()
}

fn resolve(recipe: &Recipe) -> Result<Plan, PlanError> {
    Plan::resolve_at(recipe, &Overrides::default(), Timestamp::from_unix(1_718_701_503))
}

/// What is said about one system.
fn complaint(system: &str) -> String {
    resolve(&recipe(&format!("[[systems]]\nname = \"both\"\n{system}"))).unwrap_err().to_string()
}

#[test]
fn the_mini_recipe_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/mini.toml");
    let recipe = Recipe::load(&path).unwrap();
    let names: Vec<&str> = recipe.specs.systems.iter().map(|system| system.name.as_str()).collect();
    assert_eq!(names, ["mini-llama", "mini-qwen", "GaC every step", "GaC gated 0.5"]);
    assert_eq!(
        (recipe.specs.systems[3].gate.as_deref(), recipe.specs.systems[3].threshold),
        (Some("mini-llama"), Some(0.5))
    );
    let tasks: Vec<(&str, Option<usize>)> = recipe.tasks.iter().map(|t| (t.name.as_str(), t.num_fewshot)).collect();
    assert_eq!(tasks[0], ("mmlu_flan_n_shot_generative", Some(0)));
    assert_eq!(tasks.len(), 6);
}

#[test]
fn every_recipe_of_the_paper_is_understood_and_named_like_its_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/paper");
    let published = gac_harness::report::PaperTable::gac();
    let mut rows = Vec::new();
    for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let plan = resolve(&Recipe::load(&path).unwrap()).unwrap();
        assert!(plan.models.iter().all(|model| model.device.is_some() && model.dtype == Some(Dtype::Bf16)));
        assert!(plan.tasks.iter().all(|task| task.name.ends_with("@9e6e240")) && plan.tasks.len() == 5);
        rows.push(plan.systems[0].name.clone());
    }
    let mut expected: Vec<String> = published.rows.into_iter().map(|row| row.system).collect();
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
    let mut served = Vec::new();
    for path in std::fs::read_dir(folder.join("vllm")).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "toml") {
            let plan = resolve(&Recipe::load(&path).unwrap()).unwrap();
            assert!(plan.models.iter().all(|model| matches!(model.source, ModelOrigin::Server(_))));
            served.push(plan.systems[0].name.clone());
        }
    }
    served.sort();
    assert_eq!(served, expected);
    for path in std::fs::read_dir(folder.join("small")).unwrap().map(|entry| entry.unwrap().path()) {
        assert_eq!(resolve(&Recipe::load(&path).unwrap()).unwrap().systems.len(), 4);
    }
}

/// Gigabytes of a model's weights in bfloat16.
fn gigabytes(model: &str) -> usize {
    match model {
        "Llama-3-70B-Instruct" => 142,
        "Qwen1.5-72B-Chat" => 145,
        "Qwen2-72B-Instruct" => 146,
        "Mixtral-8x7B-Instruct-v0.1" => 94,
        "Yi-34B-Chat" => 69,
        other => panic!("how large is {other}?"),
    }
}

#[test]
fn every_model_of_the_paper_has_the_cards_of_80_gb_that_it_needs_and_shares_none() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/paper");
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let plan = resolve(&Recipe::load(&path).unwrap()).unwrap();
        let mut seen = Vec::new();
        for model in &plan.models {
            let devices = model.device.as_ref().unwrap().0.as_slice();
            assert_eq!(devices.len(), gigabytes(&model.name).div_ceil(80), "{}: {}", path.display(), model.name);
            seen.extend_from_slice(devices);
        }
        seen.sort();
        // Numbered from 0, each once: members on different cards compute at the same time.
        assert_eq!(
            seen,
            (0..seen.len()).map(gac_inference::DeviceSpec::Cuda).collect::<Vec<_>>(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_device_may_be_a_list_and_is_kept_as_it_was_written() {
    let plan = |device: &str| {
        let text = format!(
            "tasks = [{{ name = \"gsm8k\" }}]\n[models]\na = {{ hub = \"x/y\", device = {device} }}\n\
             [[systems]]\nname = \"a\"\nmembers = [\"a\"]\n"
        );
        Recipe::parse(&text, Path::new("r.toml")).map(|recipe| resolve(&recipe).unwrap())
    };
    for device in [r#""cuda:0""#, r#"["cuda:0","cuda:1"]"#] {
        let plan = plan(device).unwrap();
        let json = serde_json::to_string(&plan).unwrap();
        assert!(json.contains(&format!("\"device\":{device}")), "{json}");
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }
    for (device, problem) in [
        (r#"["cuda:0", "gpu"]"#, "unknown device `gpu`; valid are"),
        (r#"["cuda:0", "cuda:0"]"#, "device `cuda:0` is in the list twice"),
        ("[]", "no device in the list"),
        ("0", "a device, such as \"cuda:0\", or a list"),
    ] {
        let error = plan(device).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains(problem), "{error}");
    }
}

#[test]
fn a_device_that_is_none_is_located() {
    let text = "[models]\na = { hub = \"x/y\", device = \"gpu\" }\n";
    let error = Recipe::parse(text, Path::new("r.toml")).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("unknown device `gpu`; valid are"), "{error}");
}

#[test]
fn every_default_is_decided() {
    let plan = resolve(&recipe(
        "[[systems]]\nname = \"a\"\nmembers = [\"llama\"]\n[[systems]]\nname = \"b\"\nmembers = [\"llama\", \"qwen\"]\n\
         weights = [3, 1]\ngate = \"qwen\"\nthreshold = 1\n",
    ))
    .unwrap();
    assert_eq!(plan.name, "test");
    assert_eq!(plan.output, Path::new("results/test-20240618-090503"));
    assert_eq!(plan.batch_size, DEFAULT_BATCH_SIZE);
    assert_eq!(plan.systems[0].weights, [1.0]);
    assert!(plan.systems[0].is_single());
    assert_eq!(plan.systems[1].weights, [0.75, 0.25]);
    assert_eq!(plan.systems[1].gate, Some(GatePlan { member: "qwen".into(), threshold: 1.0 }));
    assert_eq!(plan.systems[1].gate_index(), Some(1));
    assert_eq!(plan.model("qwen").unwrap().source, ModelOrigin::Hub("qwen/qwen@v1".into()));
    assert!(!plan.log_samples);
    // And it survives being written into a manifest.
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

#[test]
fn paths_are_relative_to_the_recipe_and_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("models/a")).unwrap();
    std::fs::create_dir_all(folder.path().join("recipes")).unwrap();
    let file = folder.path().join("recipes/one.toml");
    let text = |model: &str, data: &str| {
        format!(
            "data-dir = \"{data}\"\ntasks = [\"piqa\"]\noutput = \"../out\"\nsystems = [{{ name = \"a\", members = [\"a\"] }}]\n\
             [models]\na = {{ path = \"{model}\", dtype = \"bf16\" }}\n"
        )
    };
    let plan = resolve(&Recipe::parse(&text("../models/a", "../models"), &file).unwrap()).unwrap();
    let model = plan.model("a").unwrap();
    assert_eq!(model.source, ModelOrigin::Path(folder.path().join("recipes/../models/a")));
    assert_eq!(model.dtype, Some(Dtype::Bf16));
    assert_eq!(plan.output, folder.path().join("recipes/../out"));

    let error = resolve(&Recipe::parse(&text("../models/b", "../models"), &file).unwrap()).unwrap_err();
    let missing = folder.path().join("recipes/../models/b");
    assert_eq!(error.to_string(), format!("model `a` is not there: no `{}`", missing.display()));
    let error = resolve(&Recipe::parse(&text("../models/a", "nowhere"), &file).unwrap()).unwrap_err();
    let missing = folder.path().join("recipes/nowhere");
    assert_eq!(error.to_string(), format!("the data folder is not there: no `{}`", missing.display()));
}

#[test]
fn the_command_line_goes_before_the_recipe() {
    let mut recipe = recipe("[[systems]]\nname = \"a\"\nmembers = [\"llama\"]\n");
    recipe.limit = Limit::documents(100).ok();
    recipe.tasks.push(TaskSpec {
        name: "piqa".into(),
        num_fewshot: Some(1),
        limit: Limit::documents(7).ok(),
        repeats: Some(4),
    });
    let plan = resolve(&recipe).unwrap();
    assert_eq!(
        plan.tasks.iter().map(|task| task.limit).collect::<Vec<_>>(),
        [Limit::documents(100).ok(), Limit::documents(7).ok()]
    );
    let overrides = Overrides {
        repeats: None,
        shard: None,
        limit: Limit::documents(5).ok(),
        num_fewshot: Some(3),
        gen_kwargs: Some("max_gen_toks=7".parse().unwrap()),
        include_path: vec![PathBuf::from("tasks-of-mine")],
        output: Some(PathBuf::from("here")),
        batch_size: Some(1),
        log_samples: Some(true),
        use_cache: None,
        trace: None,
        data_dir: None,
        systems: SystemsOverrides { dtype: Some(Dtype::F32), ..SystemsOverrides::default() },
    };
    let plan = Plan::resolve(&recipe, &overrides).unwrap();
    assert!(plan.tasks.iter().all(|task| (task.limit, task.num_fewshot) == (Limit::documents(5).ok(), Some(3))));
    assert!(plan.tasks.iter().all(|task| task.gen_kwargs == overrides.gen_kwargs));
    let recorded = serde_json::to_value(&plan).unwrap();
    assert_eq!(recorded["include_path"], serde_json::json!(["tasks-of-mine"]));
    assert_eq!(recorded["tasks"][0]["gen_kwargs"], serde_json::json!({"max_gen_toks": 7}));
    assert_eq!((plan.output.as_path(), plan.batch_size, plan.log_samples), (Path::new("here"), 1, true));
    assert_eq!(plan.models[0].dtype, Some(Dtype::F32));
}

#[test]
fn flags_become_the_same_plan_by_the_same_rules() {
    let model = |hub: &str| ModelSpec { hub: Some(hub.to_owned()), ..ModelSpec::default() };
    let mut recipe = Recipe {
        specs: SystemsSpec {
            path: None,
            models: [("a".to_owned(), model("org/a")), ("b".to_owned(), model("org/b"))].into(),
            systems: vec![SystemSpec {
                name: "a + b".into(),
                members: vec!["a".into(), "b".into()],
                gate: Some("a".into()),
                threshold: Some(0.5),
                ..SystemSpec::default()
            }],
        },
        tasks: vec![TaskSpec { name: "gsm8k".into(), ..TaskSpec::default() }],
        ..Recipe::default()
    };
    let plan = resolve(&recipe).unwrap();
    assert_eq!((plan.name.as_str(), plan.recipe.as_ref()), ("eval", None));
    assert_eq!(plan.output, Path::new("results/eval-20240618-090503"));
    recipe.specs.systems[0].threshold = Some(2.0);
    assert!(matches!(resolve(&recipe), Err(PlanError::Systems(SpecError::Threshold { .. }))));
}

#[test]
fn an_unknown_member_is_named_with_the_known_ones() {
    assert_eq!(complaint("members = [\"llama\", \"qwem\"]"), "system `both` has an unknown member `qwem`");
}

#[test]
fn weights_must_make_sense() {
    let both = "members = [\"llama\", \"qwen\"]\nweights = ";
    assert_eq!(complaint(&format!("{both}[1]")), "system `both` has 1 weights for 2 members");
    let rule = "a weight is a finite number from 0 up";
    for (weights, shown) in [("[1, -0.5]", "-0.5"), ("[1, nan]", "NaN"), ("[1, inf]", "inf")] {
        let message = format!("system `both` gives member `qwen` the weight {shown}; {rule}");
        assert_eq!(complaint(&format!("{both}{weights}")), message);
    }
    let zero = "the weights of system `both` add up to 0; at least one must be above 0";
    assert_eq!(complaint(&format!("{both}[0, 0]")), zero);
}

#[test]
fn gate_and_threshold_must_make_sense() {
    let both = "members = [\"llama\", \"qwen\"]\n";
    let rule = "a threshold is a probability, from 0 to 1";
    for threshold in ["1.5", "-0.1", "nan"] {
        let shown = threshold.replace("nan", "NaN");
        let message = format!("system `both` has the threshold {shown}; {rule}");
        assert_eq!(complaint(&format!("{both}gate = \"llama\"\nthreshold = {threshold}")), message);
    }
    let other = complaint(&format!("{both}gate = \"gpt\"\nthreshold = 0.5"));
    assert_eq!(other, "the gate `gpt` of system `both` is not one of its members");
    assert_eq!(complaint(&format!("{both}gate = \"llama\"")), "system `both` has a gate `llama` and no threshold");
    assert_eq!(complaint(&format!("{both}threshold = 0.5")), "system `both` has a threshold 0.5 and no gate");
    let alone = complaint("members = [\"llama\"]\ngate = \"llama\"\nthreshold = 0.5");
    assert_eq!(alone, "system `both` has a gate and only one member");
}

#[test]
fn lists_must_not_be_empty_nor_say_things_twice() {
    let one = "[[systems]]\nname = \"a\"\nmembers = [\"llama\"]\n";
    assert_eq!(resolve(&recipe("")).unwrap_err().to_string(), "there are no systems");
    assert_eq!(resolve(&recipe(&format!("{one}{one}"))).unwrap_err().to_string(), "system `a` is listed twice");
    let mut doubled = recipe(one);
    doubled.tasks.push(doubled.tasks[0].clone());
    assert_eq!(resolve(&doubled).unwrap_err().to_string(), "task `gsm8k` is listed twice");
    doubled.tasks.clear();
    assert_eq!(resolve(&doubled).unwrap_err().to_string(), "there are no tasks");
    assert_eq!(complaint("members = []"), "system `both` has no members");
    assert_eq!(complaint("members = [\"llama\", \"llama\"]"), "system `both` has member `llama` twice");
    let mut zero = recipe(one);
    zero.batch_size = Some(0);
    assert_eq!(resolve(&zero).unwrap_err().to_string(), "the batch size is 0; it must be at least 1");
}

#[test]
fn a_model_has_one_source() {
    let parse = |model: &str| {
        let text = format!(
            "tasks = [\"gsm8k\"]\nsystems = [{{ name = \"a\", members = [\"a\"] }}]\n[models]\na = {{ {model} }}\n"
        );
        resolve(&Recipe::parse(&text, Path::new("r.toml")).unwrap()).unwrap_err().to_string()
    };
    assert_eq!(parse(""), "model `a` needs one of `path`, `hub` and `url`, and has none");
    assert_eq!(parse("path = \"x\", hub = \"y/z\""), "model `a` needs one of `path`, `hub` and `url`, and has several");
    assert_eq!(parse("url = \"http://h:1\", dtype = \"f32\""), "`dtype` of model `a` goes with `path` and `hub`");
    assert_eq!(parse("hub = \"y/z\", api-key-env = \"KEY\""), "`api-key-env` of model `a` goes with `url`");
    assert_eq!(parse("hub = \"./x\""), "`./x` of model `a` is not a hub id");
}

#[test]
fn mistakes_in_the_file_are_located() {
    let parse = |text: &str| Recipe::parse(text, Path::new("r.toml")).unwrap_err().to_string();
    let unknown = parse("tasks = [\"gsm8k\"]\n\n  modles = 1\n");
    assert!(
        unknown.starts_with("recipe `r.toml`, line 3, column 3: unknown field `modles`, expected one of"),
        "{unknown}"
    );
    // Inside a task's table and a system's, too.
    let task = parse("tasks = [\n  { name = \"gsm8k\", shots = 2 },\n]\n");
    assert!(task.starts_with("recipe `r.toml`, line 2, column 21: unknown field `shots`"), "{task}");
    let system = parse("[[systems]]\nname = \"a\"\nmembers = [\"a\"]\ntreshold = 1\n");
    assert!(system.starts_with("recipe `r.toml`, line 4, column 1: unknown field `treshold`"), "{system}");
    let dtype = parse("[models]\na = { path = \"x\", dtype = \"int8\" }\n");
    assert!(dtype.starts_with("recipe `r.toml`, line 2, column 27: unknown dtype `int8`; valid are `f32`"), "{dtype}");
    let syntax = parse("tasks = [\"gsm8k\"\nlimit = 3\n");
    assert!(syntax.starts_with("recipe `r.toml`, line 2, column"), "{syntax}");
    for limit in ["-3", "0", "1.5", "nan"] {
        let said = parse(&format!("limit = {limit}\n"));
        let limit = limit.replace("nan", "NaN");
        assert!(
            said.starts_with(&format!("recipe `r.toml`, line 1, column 9: the limit is {limit}; a limit is")),
            "{said}"
        );
    }
    assert!(!parse("a = 1").contains('\n'));
}

#[test]
fn a_missing_file_is_said_so() {
    let error = Recipe::load(Path::new("nowhere/none.toml")).unwrap_err();
    assert_eq!(error.to_string(), "failed to read recipe `nowhere/none.toml`");
}

#[test]
fn templates_are_picked_and_told_things_per_model_and_for_all() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.jinja"), "{{ messages }}").unwrap();
    let text = "tasks = [\"gsm8k\"]\n\
                [models.a]\nhub = \"o/a\"\nchat-template = \"tool_use\"\nchat-template-args = { enable_thinking = false, n = [1] }\n\
                [models.b]\nhub = \"o/b\"\nchat-template = \"mine.jinja\"\n\
                [[systems]]\nname = \"both\"\nmembers = [\"a\", \"b\"]\nchat-template = true\n\
                chat-template-args = { enable_thinking = true, date_string = \"1 May\" }\n";
    let recipe = Recipe::parse(text, &folder.path().join("r.toml")).unwrap();
    let plan = resolve(&recipe).unwrap();
    assert_eq!(plan.models[0].chat_template, Some(TemplateChoice::Name("tool_use".into())));
    assert_eq!(plan.models[1].chat_template, Some(TemplateChoice::File(folder.path().join("mine.jinja"))));
    let recorded = serde_json::to_value(&plan).unwrap();
    assert_eq!(recorded["models"][0]["chat_template_args"], serde_json::json!({"enable_thinking": false, "n": [1]}));
    let told = |plan: &Plan| serde_json::to_value(&plan.systems[0].settings.chat.as_ref().unwrap().arguments).unwrap();
    assert_eq!(told(&plan), serde_json::json!({"enable_thinking": true, "date_string": "1 May"}));

    let more = serde_json::from_str(r#"{"enable_thinking": null}"#).unwrap();
    let systems = SystemsOverrides { chat_template_args: more, ..SystemsOverrides::default() };
    let overrides = Overrides { systems, ..Overrides::default() };
    let plan = Plan::resolve(&recipe, &overrides).unwrap();
    assert_eq!(told(&plan), serde_json::json!({"enable_thinking": null, "date_string": "1 May"}));
    let plain = self::recipe("[[systems]]\nname = \"a\"\nmembers = [\"llama\"]\n");
    let error = Plan::resolve(&plain, &overrides).unwrap_err();
    assert!(matches!(error, PlanError::Systems(SpecError::Setting { source: SettingError::ArgumentsWithoutChat, .. })));
    let text = text.replace("mine.jinja", "other.jinja");
    let error = resolve(&Recipe::parse(&text, &folder.path().join("r.toml")).unwrap()).unwrap_err();
    assert!(error.to_string().contains("other.jinja"), "{error}");
}

type NamesAndLimits = Vec<(String, Option<Limit>)>;

/// The names and limits of a recipe's tasks once patterns are resolved.
fn selected(tasks: &str, picks: Option<&str>) -> Result<NamesAndLimits, String> {
    let text = format!(
        "tasks = [{tasks}]\nsystems = [{{ name = \"a\", members = [\"a\"] }}]\n[models]\na = {{ hub = \"o/n\" }}\n"
    );
    let plan = resolve(&Recipe::parse(&text, Path::new("r.toml")).unwrap()).unwrap();
    let picks: Option<DocumentPicks> = picks.map(|picks| picks.parse().unwrap());
    match plan.select_tasks(&TaskRegistry::built_in(), picks.as_ref()) {
        Ok(selected) => Ok(selected.plan.tasks.into_iter().map(|task| (task.name, task.limit)).collect()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn patterns_keep_their_settings_and_nothing_is_evaluated_twice() {
    let one = |name: &str, limit: Option<usize>| (name.to_owned(), limit.map(|count| Limit::documents(count).unwrap()));
    let tasks = "{ name = \"arc_*\", limit = 3 }, \"piqa\", \"pi*\"";
    let expected = [one("arc_challenge", Some(3)), one("arc_easy", Some(3)), one("piqa", None)];
    assert_eq!(selected(tasks, None).unwrap(), expected);
    let error = selected("{ name = \"mmlu_anatomy\", limit = 3 }, \"mmlu_stem\"", None).unwrap_err();
    assert_eq!(error, "task `mmlu_anatomy` is asked for twice with different settings, once as a part of `mmlu_stem`");
}

#[test]
fn picked_documents_take_the_place_of_limits() {
    let tasks = "{ name = \"mmlu_stem\", limit = 3 }, { name = \"piqa\", limit = 0.5 }";
    let plan = selected(tasks, Some(r#"{"mmlu_anatomy": [3]}"#)).unwrap();
    assert_eq!(plan, [("mmlu_stem".to_owned(), None), ("piqa".to_owned(), None)]);
    let error = selected(tasks, Some(r#"{"mmlu": [3]}"#)).unwrap_err();
    assert!(error.contains("documents of `mmlu` are picked"), "{error}");
}

#[test]
fn the_end_of_reasoning_is_a_text_or_an_id() {
    let token = |value: &str| {
        let text = format!("[models]\na = {{ hub = \"o/n\", think-end-token = {value} }}\n");
        Recipe::parse(&text, Path::new("r.toml")).map(|recipe| recipe.specs.models["a"].think_end_token.clone())
    };
    assert_eq!(token("\"</think>\"").unwrap(), Some(ThinkEndToken::Text("</think>".to_owned())));
    assert_eq!(token("151668").unwrap(), Some(ThinkEndToken::Id(151_668)));
    assert_eq!(ThinkEndToken::from("151668"), ThinkEndToken::Id(151_668));
    assert!(token("true").unwrap_err().to_string().contains("a token's text, such as"), "{:?}", token("true"));
}
