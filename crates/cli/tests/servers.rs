//! Members on servers, through the binary: what comes out is what local members give, whatever the servers do.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gac_inference::{EngineOptions, ModelSource, Tokenizer, load_model, output_rows};
use gac_testserver::{Fault, ServerSetup, TestEngine, TestServer};
use serde_json::Value;
use support::{file, gac, gac_with, lines, root};

fn model(name: &str) -> PathBuf {
    root().join("models").join(name)
}

/// A server of one of the miniature models, under the name of its folder.
fn serve_at(port: u16, engine: TestEngine, name: &str, change: impl FnOnce(&mut ServerSetup)) -> TestServer {
    let source = ModelSource::Folder(model(name));
    let rows = output_rows(&source).unwrap();
    let mut limits = ServerSetup { name: model(name).to_str().unwrap().to_owned(), ..ServerSetup::default() };
    change(&mut limits);
    let served = load_model(&source, &EngineOptions::default()).unwrap();
    TestServer::at(port, engine, served, Tokenizer::load(&source, rows).unwrap(), limits)
}

fn serve(engine: TestEngine, name: &str) -> TestServer {
    serve_at(0, engine, name, |_| {})
}

fn port(server: &TestServer) -> u16 {
    server.url().rsplit(':').next().unwrap().parse().unwrap()
}

const PROMPTS: &str = r#"{"prompt": "Question: Where is the old mill?\nAnswer:"}
{"prompt": "The capital of"}
{"prompt": "Q: 12 + 30 ="}
"#;

/// What an ensemble of two says, every step and gated.
fn generated(first: &str, second: &str) -> Vec<Vec<Value>> {
    let (_folder, input, output) = file(PROMPTS);
    let base = ["generate", "--prompts", &input, "--output", &output, "--max-new-tokens", "24", "--model", first];
    let gated = ["--gate", first, "--threshold", "0.6"];
    let ways: [&[&str]; 2] = [&[], &gated];
    let of = |way: &&[&str]| {
        let ran = gac(&[&base[..], &["--model", second], way].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let strip = |mut line: Value| {
            line.as_object_mut().unwrap().remove("seconds");
            line
        };
        lines(&output).into_iter().map(strip).collect()
    };
    ways.iter().map(of).collect()
}

#[test]
fn an_ensemble_says_the_same_wherever_its_members_are() {
    let (llama, qwen) = (model("mini-llama"), model("mini-qwen"));
    let (llama, qwen) = (llama.to_str().unwrap(), qwen.to_str().unwrap());
    let expected = generated(llama, qwen);
    for engine in [TestEngine::Vllm, TestEngine::Sglang, TestEngine::LlamaCpp] {
        let servers = [serve(engine, "mini-llama"), serve(engine, "mini-qwen")];
        assert_eq!(generated(&servers[0].url(), qwen), expected, "{engine:?} and local");
        assert_eq!(generated(&servers[0].url(), &servers[1].url()), expected, "{engine:?} twice");
    }
    let replicas = [serve(TestEngine::Vllm, "mini-qwen"), serve(TestEngine::Vllm, "mini-qwen")];
    let both = format!("{},{}", replicas[0].url(), replicas[1].url());
    assert_eq!(generated(llama, &both), expected);
    assert!(replicas.iter().all(|server| server.asked() > 0));
}

#[test]
fn scores_are_those_of_the_local_model() {
    let (_folder, input, output) = file(
        r#"{"text": "The old mill is by the river."}
{"context": "Question: Where is the mill?\nAnswer:", "continuation": " By the river"}
"#,
    );
    let scores = |model: &str| -> Vec<f64> {
        let ran = gac(&["score", "--model", model, "--input", &input, "--output", &output]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        lines(&output).iter().map(|line| line["sum"].as_f64().unwrap()).collect()
    };
    let expected = scores(model("mini-llama").to_str().unwrap());
    for engine in [TestEngine::Vllm, TestEngine::Sglang, TestEngine::LlamaCpp] {
        for (found, expected) in scores(&serve(engine, "mini-llama").url()).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{engine:?}: {found} and {expected}");
        }
    }
}

/// A recipe whose first member is at `llama`, a table of TOML.
fn recipe(folder: &Path, llama: &str) -> String {
    let path = folder.join("recipe.toml");
    let (root, qwen) = (root(), model("mini-qwen"));
    let text = format!(
        r#"
data-dir = "{}/datasets/mini"
limit = 4
tasks = [{{ name = "gsm8k", num-fewshot = 1 }}, {{ name = "arc_easy", num-fewshot = 0 }}, {{ name = "piqa", num-fewshot = 1 }}]

[models]
llama = {llama}
qwen = {{ path = "{}" }}

[[systems]]
name = "llama"
members = ["llama"]

[[systems]]
name = "both"
members = ["llama", "qwen"]

[[systems]]
name = "gated"
members = ["llama", "qwen"]
gate = "llama"
threshold = 0.6
"#,
        root.display(),
        qwen.display()
    );
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What was answered, by system, task, subject and document.
type Answers = BTreeMap<(String, String, String, u64), Value>;

/// The same, but for the last bits of log-likelihoods: a server tells f32.
fn assert_same(found: &Answers, expected: &Answers) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, found) in found {
        alike(found, &expected[key], &format!("{key:?}"));
    }
}

fn alike(found: &Value, expected: &Value, at: &str) {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{at}");
            a.iter().for_each(|(key, value)| alike(value, &b[key], at));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            a.iter().zip(b).for_each(|(a, b)| alike(a, b, at));
        }
        (Value::Number(a), Value::Number(b)) => {
            assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-4, "{at}: {a} and {b}");
        }
        _ => assert_eq!(found, expected, "{at}"),
    }
}

fn answers(output: &Path) -> Answers {
    let mut found = BTreeMap::new();
    for system in ["llama", "both", "gated"] {
        for task in ["gsm8k", "arc_easy", "piqa"] {
            let path = output.join(system).join(task).join("samples.jsonl");
            for line in lines(path.to_str().unwrap()) {
                let key =
                    (system.to_owned(), task.to_owned(), line["subject"].to_string(), line["doc_id"].as_u64().unwrap());
                let answer = serde_json::json!([line["response"], line["filters"], line["outcome"]]);
                assert!(found.insert(key, answer).is_none());
            }
        }
    }
    found
}

fn local(folder: &Path) -> Answers {
    let recipe = recipe(folder, &format!("{{ path = \"{}\" }}", model("mini-llama").display()));
    let output = folder.join("local");
    let ran = gac(&["run", &recipe, "--output-path", output.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    answers(&output)
}

#[test]
fn a_run_with_a_member_on_a_failing_server_ends_as_one_with_local_members() {
    let scratch = tempfile::tempdir().unwrap();
    let expected = local(scratch.path());
    assert!(!expected.is_empty());
    let locked = |limits: &mut ServerSetup| limits.key = Some("Bearer sesame-123".into());
    let server = serve_at(0, TestEngine::Vllm, "mini-llama", locked);
    server.fail(|number, _| match number % 23 {
        5 => Fault::Cut,
        9 => Fault::Status(503, Some("0")),
        14 => Fault::Garbled,
        17 => Fault::CutAmid,
        20 => Fault::Status(500, None),
        _ => Fault::None,
    });
    let url = server.url().replace("http://", "http://ann:hidden-456@");
    let table = format!("{{ url = \"{}\", api-key-env = \"KEY_OF_SERVER\", logprobs = 8 }}", server.url());
    let recipe = recipe(scratch.path(), &table);
    let output = scratch.path().join("served");
    let to = output.to_str().unwrap();
    let ran = gac_with(&["run", &recipe, "--output-path", to, "-vv"], &[("KEY_OF_SERVER", "sesame-123")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_same(&answers(&output), &expected);

    let note = "Weights not known, computed on servers: llama (";
    assert!(ran.stdout.contains(note), "{}", ran.stdout);
    assert!(fs::read_to_string(output.join("leaderboard.md")).unwrap().contains(note));
    let manifest: Value = serde_json::from_slice(&fs::read(output.join("manifest.json")).unwrap()).unwrap();
    let models = manifest["models"].as_array().unwrap();
    let served = models.iter().find(|model| model["name"] == "llama").unwrap();
    assert_eq!((&served["server"]["engine"], &served["server"]["version"]), (&"vllm".into(), &"1.2.3".into()));
    assert!(served["files"].as_array().unwrap().iter().any(|file| file["role"] == "tokenizer"));

    // Neither key nor password is anywhere.
    let no_key = gac(&["run", &recipe, "--output-path", to]);
    assert_eq!(no_key.code, 2);
    assert!(no_key.stderr.contains("`KEY_OF_SERVER`"), "{}", no_key.stderr);
    let wrong = gac(&["eval", "--model", &url, "--tasks", "gsm8k", "--data-dir", "datasets/mini", "-vvv"]);
    assert_eq!(wrong.code, 2);
    let mut all = ran.stderr + &ran.stdout + &no_key.stderr + &wrong.stderr;
    for entry in walk(&output) {
        all += &String::from_utf8_lossy(&fs::read(entry).unwrap());
    }
    assert!(!all.contains("sesame-123") && !all.contains("hidden-456"));
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn a_run_whose_server_goes_for_good_stops_and_goes_on_later() {
    let scratch = tempfile::tempdir().unwrap();
    let expected = local(scratch.path());
    let server = serve(TestEngine::Vllm, "mini-llama");
    let port = port(&server);
    // It lets nobody in from some moment on.
    server.fail(|number, _| if number < 60 { Fault::None } else { Fault::Status(401, None) });
    let recipe = recipe(scratch.path(), &format!("{{ url = \"{}\" }}", server.url()));
    let output = scratch.path().join("served");
    let arguments = ["run", &recipe, "--output-path", output.to_str().unwrap()];
    let ran = gac(&arguments);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no server goes on"), "{}", ran.stderr);
    let manifest: Value = serde_json::from_slice(&fs::read(output.join("manifest.json")).unwrap()).unwrap();
    assert!(manifest["status"]["failed"]["error"].is_string(), "{}", manifest["status"]);

    drop(server);
    let server = serve_at(port, TestEngine::Vllm, "mini-llama", |_| {});
    let before = server.asked();
    let ran = gac(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_same(&answers(&output), &expected);
    assert!(server.asked() > before);

    // Another version has not given these answers.
    drop(server);
    let _server = serve_at(port, TestEngine::Vllm, "mini-llama", |limits| limits.version = "1.3.0".into());
    let ran = gac(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("vLLM 1.2.3 when this run was started, and is"), "{}", ran.stderr);
    assert_same(&answers(&output), &expected);
}

#[test]
fn what_a_server_lacks_is_said_before_anything_runs() {
    let server = serve_at(0, TestEngine::OldVllm, "mini-llama", |limits| limits.max_logprobs = 5);
    let scratch = tempfile::tempdir().unwrap();
    let output = scratch.path().join("out");
    let to = output.to_str().unwrap();
    let recipe = recipe(scratch.path(), &format!("{{ url = \"{}\" }}", server.url()));
    let ran = gac(&["run", &recipe, "--output-path", to]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("lists 5 tokens at most"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: start the server with `--max-logprobs -1`"), "{}", ran.stderr);
    assert!(!output.exists());
    let ran = gac(&["run", &recipe, "--output-path", to, "--dry-run", "--probe", "0"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("lists 5 tokens at most"), "{}", ran.stdout);

    for (table, part) in [
        ("{ url = \"http://a\", path = \"b\" }", "needs one of `path`, `hub` and `url`, and has several"),
        ("{ url = \"http://a\", dtype = \"f32\" }", "`dtype` of model `llama` goes with"),
        ("{ path = \".\", tokenizer = \"b\" }", "`tokenizer` of model `llama` goes with `url`"),
        ("{ url = \"http://ann:hidden-456@\" }", "a server's address names a host"),
        ("{ url = \"http://a\", logprobs = 0 }", "`logprobs` of model `llama`"),
    ] {
        let recipe = self::recipe(scratch.path(), table);
        let ran = gac(&["run", &recipe, "--output-path", to]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(part) && !ran.stderr.contains("hidden-456"), "{}", ran.stderr);
    }
}
