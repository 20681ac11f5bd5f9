//! `gac serve`, with real models.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::{file, gac, lines, root};

const QUESTION: &str = "Question: How many cups are 3 cups and 4 cups?\nAnswer:";

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gac"))
            .args([&["serve"][..], args, &["--port", "0"]].concat())
            .current_dir(root())
            .env("HF_HUB_OFFLINE", "1")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| Some(line.unwrap().split_once(" at http://")?.1.to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap() }
    }

    fn ask(&self, path: &str, body: Option<&Value>, key: &str) -> (u16, Value) {
        let body = body.map(Value::to_string);
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    fn completion(&self, body: &Value) -> Value {
        let (status, answer) = self.ask("/v1/completions", Some(body), "");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Tells it to end, as a system does; its exit code.
    #[cfg(unix)]
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[cfg(unix)]
#[test]
fn a_served_ensemble_says_what_generate_says_and_ends_when_it_is_told_to() {
    let server = Server::start(&["recipes/mini.toml"], &[]);
    let (_, models) = server.ask("/v1/models", None, "");
    let names: Vec<&str> =
        models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["mini-llama", "mini-qwen", "GaC every step", "GaC gated 0.5"]);

    let line = json!({ "prompt": QUESTION }).to_string();
    let (_folder, input, output) = file(&line);
    let both = ["--model", "models/mini-llama", "--model", "models/mini-qwen"];
    let gated = ["--gate", "models/mini-llama", "--threshold", "0.5"];
    for (name, flags) in [("GaC every step", &[][..]), ("GaC gated 0.5", &gated[..]), ("mini-llama", &[][..])] {
        let models = if name == "mini-llama" { &both[..2] } else { &both[..] };
        let rest = ["--prompts", &input, "--output", &output, "--max-new-tokens", "20"];
        let ran = gac(&[&["generate"][..], models, flags, &rest].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let expected = &lines(&output)[0];
        let answer = server.completion(&json!({ "model": name, "prompt": QUESTION, "max_tokens": 20 }));
        assert_eq!(answer["choices"][0]["text"], expected["text"], "{name}");
        assert_eq!(answer["choices"][0]["gac"]["ensembled"], expected["ensembled"], "{name}");
        // The same as ids of the first member.
        let (_, ids) = server.ask("/tokenize", Some(&json!({ "model": name, "prompt": QUESTION })), "");
        let answer = server.completion(&json!({ "model": name, "prompt": ids["tokens"], "max_tokens": 20 }));
        assert_eq!(answer["choices"][0]["text"], expected["text"], "{name}");
        let (_, text) = server.ask("/detokenize", Some(&json!({ "model": name, "tokens": ids["tokens"] })), "");
        assert_eq!(text["prompt"], QUESTION);
        std::fs::remove_file(&output).unwrap();
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn an_echoed_continuation_has_the_log_probabilities_that_score_gives_it() {
    let server = Server::start(&["recipes/mini.toml"], &[]);
    let continuation = " 7 cups";
    let line = json!({ "context": QUESTION, "continuation": continuation }).to_string();
    let (_folder, input, output) = file(&line);
    for name in ["mini-llama", "mini-qwen"] {
        let ran = gac(&["score", "--model", &format!("models/{name}"), "--input", &input, "--output", &output]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let scored = &lines(&output)[0];
        let ids = |text: String| {
            let (_, ids) = server.ask("/tokenize", Some(&json!({ "model": name, "prompt": text })), "");
            ids["tokens"].as_array().unwrap().clone()
        };
        let (whole, context) = (ids(format!("{QUESTION}{continuation}")), ids(QUESTION.to_owned()).len());
        let answer = server.completion(&json!({
            "model": name, "prompt": [whole], "temperature": 0, "max_tokens": 1, "logprobs": 1, "echo": true,
            "gac": { "context_tokens": context },
        }));
        let told = answer["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap();
        assert_eq!(told.len(), whole.len() + 1);
        let sum: f64 = told[context..whole.len()].iter().map(|log_prob| log_prob.as_f64().unwrap()).sum();
        let expected = scored["sum"].as_f64().unwrap_or_else(|| panic!("{scored}"));
        assert!((sum - expected).abs() < 1e-9, "{name}: {sum} is not {expected}");
        std::fs::remove_file(&output).unwrap();
    }
}

#[test]
fn a_key_comes_from_the_environment() {
    let ran = gac(&["serve", "recipes/mini.toml", "--api-key-env", "GAC_TEST_NO_SUCH_KEY"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`GAC_TEST_NO_SUCH_KEY` is not set"), "{}", ran.stderr);
    let args = ["--model", "models/mini-qwen", "--api-key-env", "GAC_TEST_KEY"];
    let server = Server::start(&args, &[("GAC_TEST_KEY", "secret")]);
    assert_eq!(server.ask("/v1/models", None, "wrong").0, 401);
    assert_eq!(server.ask("/v1/models", None, "secret").0, 200);
}

#[test]
fn what_is_served_has_to_be_named_once() {
    let neither = gac(&["serve"]);
    assert_eq!(neither.code, 2);
    assert!(neither.stderr.contains("RECIPE") || neither.stderr.contains("--model"), "{}", neither.stderr);
    assert_eq!(gac(&["serve", "recipes/mini.toml", "--model", "models/mini-qwen"]).code, 2);
}

#[test]
fn a_configuration_of_the_published_gac_becomes_a_recipe() {
    let yaml = "NORM_TYPE_API_SERVER: average\nTHRESHOLD_API_SERVER: 0.5\nCONFIG_API_SERVER:\n\
                \x20 - {weight: models/mini-llama, name: l, score: 1, priority: primary, quantization: none}\n\
                \x20 - {weight: models/mini-qwen, name: q, score: 1, priority: supportive, num_gpus: 0.5}\n";
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.yaml");
    std::fs::write(&config, yaml).unwrap();
    let ran = gac(&["import-config", config.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let recipe = folder.path().join("r.toml");
    std::fs::write(&recipe, &ran.stdout).unwrap();
    let server = Server::start(&[recipe.to_str().unwrap()], &[]);
    let body = json!({ "messages_list": [[{ "role": "user", "content": QUESTION }]], "max_new_tokens": 5 });
    let (status, answer) = server.ask("/api/generate/", Some(&body), "");
    assert_eq!((status, answer["response"].as_array().unwrap().len()), (200, 1), "{answer}");
}
