//! How a server is found out, and what is said before anything runs.

use std::collections::BTreeMap;

use gac_inference::remote::{RemoteError, RemoteModel, RemoteOptions, Secret, ServerEngine};
use gac_inference::{Extension, LanguageModel, ModelError, ModelSource, Wanted};
use gac_testserver::{ServerSetup, TestEngine};

use crate::support::{
    ENGINES, counting, folder, greedy, ids, options, prompts, rows, serve_counting, serve_with, start,
};

fn refusal(options: &RemoteOptions) -> RemoteError {
    match RemoteModel::connect(options) {
        Ok(model) => panic!("{} was taken", model.identity()),
        Err(error) => error,
    }
}

#[test]
fn engine_version_and_model_are_found_out() {
    for (engine, found) in ENGINES.into_iter().zip([
        ServerEngine::Vllm,
        ServerEngine::Vllm,
        ServerEngine::Sglang,
        ServerEngine::Sglang,
        ServerEngine::LlamaCpp,
        ServerEngine::Gac,
    ]) {
        let server = serve_counting(engine);
        let model = RemoteModel::connect(&options(&[&server])).unwrap();
        let identity = model.identity();
        assert_eq!((identity.engine, identity.version.as_str(), identity.model.as_str()), (found, "1.2.3", "served"));
        // SGLang keeps places free behind a prompt.
        let context = if found == ServerEngine::Sglang { 2041 } else { 2047 };
        assert_eq!((model.limits().vocabulary, model.limits().context), (rows(), context));
        let told = (found == ServerEngine::LlamaCpp).then_some("F32");
        assert_eq!(identity.dtype.as_deref(), told, "SGLang's `auto` is none");
        assert!(model.devices().is_empty(), "it computes elsewhere, beside all others");
    }
}

#[test]
fn a_prompt_that_fills_the_context_is_answered() {
    for engine in ENGINES {
        let server = serve_with(engine, ServerSetup { context: 40, ..ServerSetup::default() });
        let mut remote = RemoteModel::connect(&options(&[&server])).unwrap();
        let context = remote.limits().context;
        let (sequence, full) = start(&mut remote, &ids((0..context as u32).map(|id| 10 + id)));
        assert!(full.known().count() > 0, "{engine:?}");
        let over = Extension { sequence, tokens: &ids([9]), wanted: Wanted::Last };
        assert!(matches!(remote.extend(&[over]), Err(ModelError::ContextFull { .. })), "{engine:?}");
    }
}

#[test]
fn a_server_of_several_models_has_to_be_told_which() {
    let server = serve_with(TestEngine::Vllm, ServerSetup { others: vec!["other".into()], ..ServerSetup::default() });
    let error = refusal(&options(&[&server]));
    assert!(error.to_string().ends_with("serves `served`, `other`: which one?"), "{error}");
    let named = |name: &str| RemoteOptions { name: Some(name.into()), ..options(&[&server]) };
    assert!(RemoteModel::connect(&named("served")).is_ok());
    assert!(refusal(&named("third")).to_string().ends_with("but not `third`"));
}

#[test]
fn a_tokenizer_that_is_not_the_servers_is_an_error_with_both_lists() {
    let server = serve_counting(TestEngine::Vllm);
    let other = ModelSource::Folder(folder().with_file_name("mini-qwen"));
    let error = refusal(&RemoteOptions { tokenizer: Some(other), ..options(&[&server]) });
    match &error {
        RemoteError::OtherTokenizer { text, ours, theirs, .. } => {
            assert!(!text.is_empty() && ours != theirs);
            assert!(error.to_string().contains(&format!("{:?}", theirs[0])), "{error}");
        }
        // The other model's configuration has other rows.
        RemoteError::Tokenizer { .. } => {}
        _ => panic!("{error}"),
    }
}

#[test]
fn what_a_server_lacks_is_said_with_the_flag_that_helps() {
    let short = ServerSetup { max_logprobs: 5, ..ServerSetup::default() };
    let error = refusal(&options(&[&serve_with(TestEngine::OldVllm, short.clone())]));
    assert!(error.to_string().contains("lists 5 tokens at most"), "{error}");
    assert!(matches!(error, RemoteError::Lacks { flag: Some("--max-logprobs -1"), .. }));
    // A newer one can be asked about the others.
    let server = serve_with(TestEngine::Vllm, short);
    let mut remote = RemoteModel::connect(&options(&[&server])).unwrap();
    assert_eq!(greedy(&mut remote, &prompts(2), 8), greedy(&mut counting(), &prompts(2), 8));

    let logits = ServerSetup { logits: true, ..ServerSetup::default() };
    let error = refusal(&options(&[&serve_with(TestEngine::Vllm, logits)]));
    assert!(error.to_string().contains("does not tell log-probabilities"), "{error}");
    assert!(matches!(error, RemoteError::Lacks { flag: Some("--logprobs-mode raw_logprobs"), .. }));
}

#[test]
fn a_key_is_sent_with_every_request_and_shown_nowhere() {
    let locked = ServerSetup { key: Some("Bearer sesame".into()), ..ServerSetup::default() };
    let server = serve_with(TestEngine::Vllm, locked);
    let error = refusal(&options(&[&server]));
    assert!(error.to_string().contains("HTTP 401"), "{error}");
    let keyed = RemoteOptions { api_key: Some(Secret::new("sesame")), ..options(&[&server]) };
    assert!(!format!("{keyed:?}").contains("sesame"));
    let mut remote = RemoteModel::connect(&keyed).unwrap();
    greedy(&mut remote, &prompts(2), 4);
    let recorded = server.recorded();
    assert!(recorded.len() > 4 && recorded.iter().all(|r| r.authorization.as_deref() == Some("Bearer sesame")));

    let wrong = server.url().replace("http://", "http://ann:wrong-password@");
    let error = refusal(&RemoteOptions { servers: vec![wrong.parse().unwrap()], ..options(&[&server]) });
    assert!(!format!("{error} {error:?}").contains("wrong-password"), "{error:?}");
}

#[test]
fn what_is_no_server_of_a_known_engine_is_refused() {
    let mut server = serve_counting(TestEngine::Vllm);
    server.stop();
    let error = refusal(&options(&[&server]));
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
    assert!(matches!(refusal(&RemoteOptions::new(Vec::new())), RemoteError::NoServers));
}

#[test]
fn replicas_serve_the_same() {
    let servers = [
        serve_counting(TestEngine::Vllm),
        serve_with(TestEngine::Vllm, ServerSetup { name: "other".into(), ..ServerSetup::default() }),
        serve_counting(TestEngine::Sglang),
        serve_with(TestEngine::Vllm, ServerSetup { version: "1.2.4".into(), ..ServerSetup::default() }),
    ];
    for (other, reason) in [(1, "its model is other"), (2, "its engine is SGLang")] {
        let error = refusal(&options(&[&servers[0], &servers[other]]));
        assert!(error.to_string().contains(reason), "{error}");
    }
    // Another version is a warning.
    assert!(RemoteModel::connect(&options(&[&servers[0], &servers[3]])).is_ok());
}

#[test]
fn gac_serve_hands_over_its_members_tokenizer() {
    let files = ["tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"];
    let files: BTreeMap<String, Vec<u8>> =
        files.into_iter().map(|file| (file.to_owned(), std::fs::read(folder().join(file)).unwrap())).collect();
    let server = serve_with(TestEngine::Gac, ServerSetup { files, ..ServerSetup::default() });
    let alone = RemoteOptions { tokenizer: None, ..options(&[&server]) };
    let remote = RemoteModel::connect(&alone).unwrap();
    let ModelSource::Folder(fetched) = remote.tokenizer_source() else { panic!("no folder") };
    let read = |folder: &std::path::Path| std::fs::read(folder.join("tokenizer.json")).unwrap();
    assert_eq!(read(fetched), read(&folder()));
    std::fs::remove_dir_all(fetched).unwrap();
}
