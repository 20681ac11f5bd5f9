//! A small model here and on a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gac_inference::remote::{RemoteModel, RemoteOptions};
use gac_inference::testkit::ScriptedModel;
use gac_inference::{
    Distribution, EngineOptions, Extension, LanguageModel, ModelSource, SequenceId, TokenId, Tokenizer, Wanted,
    load_model,
};
use gac_testserver::{ServerSetup, TestEngine, TestServer};

pub(crate) const ENGINES: [TestEngine; 6] = [
    TestEngine::Vllm,
    TestEngine::OldVllm,
    TestEngine::Sglang,
    TestEngine::OldSglang,
    TestEngine::LlamaCpp,
    TestEngine::Gac,
];

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini-llama")
}

pub(crate) fn source() -> ModelSource {
    ModelSource::Folder(folder())
}

pub(crate) fn tokenizer() -> Tokenizer {
    Tokenizer::load(&source(), Some(rows())).unwrap()
}

/// The miniature model itself.
pub(crate) fn mini() -> Box<dyn LanguageModel> {
    load_model(&source(), &EngineOptions::default()).unwrap()
}

pub(crate) fn rows() -> usize {
    gac_inference::output_rows(&source()).unwrap().unwrap()
}

/// A model that goes on counting: each token is followed by the next one, most of the time.
pub(crate) fn counting() -> ScriptedModel {
    let rows = rows();
    ScriptedModel::new(rows, move |tokens| {
        let last = tokens.last().map_or(0, |token| token.index());
        // What comes before the last token changes probabilities, so that a wrong prefix shows.
        let sum: usize = tokens.iter().enumerate().map(|(at, token)| (at + 1) * token.index()).sum();
        let sure = 0.5 + 0.4 * (sum % 97) as f64 / 97.0;
        let id = |index: usize| TokenId((10 + index % (rows - 20)) as u32);
        vec![(id(last + 1), sure), (id(last + 7), 0.7 * (1.0 - sure)), (id(sum), 1e-3 * (1.0 - sure))]
    })
}

pub(crate) fn serve(engine: TestEngine, model: Box<dyn LanguageModel>) -> TestServer {
    TestServer::start(engine, model, tokenizer())
}

/// A server of the model that counts.
pub(crate) fn serve_counting(engine: TestEngine) -> TestServer {
    serve(engine, Box::new(counting()))
}

pub(crate) fn serve_with(engine: TestEngine, limits: ServerSetup) -> TestServer {
    TestServer::with_limits(engine, Box::new(counting()), tokenizer(), limits)
}

pub(crate) fn options(servers: &[&TestServer]) -> RemoteOptions {
    let servers = servers.iter().map(|server| server.url().parse().unwrap()).collect();
    let mut options = RemoteOptions::new(servers);
    options.tokenizer = Some(source());
    options.timeout = Duration::from_secs(20);
    options.patience = Duration::from_secs(5);
    options
}

pub(crate) fn connect(server: &TestServer) -> RemoteModel {
    RemoteModel::connect(&options(&[server])).unwrap()
}

pub(crate) fn ids(ids: impl IntoIterator<Item = u32>) -> Vec<TokenId> {
    ids.into_iter().map(TokenId).collect()
}

/// One sequence with `prompt`, and what follows it.
pub(crate) fn start(model: &mut dyn LanguageModel, prompt: &[TokenId]) -> (SequenceId, Distribution) {
    let sequence = model.open(prompt).unwrap();
    let held = model.length(sequence);
    let extension = Extension { sequence, tokens: &prompt[held..], wanted: Wanted::Last };
    (sequence, model.extend(&[extension]).unwrap().remove(0).remove(0))
}

/// What is known of the one is what the other says.
pub(crate) fn assert_same(told: &Distribution, full: &Distribution) {
    assert_eq!(told.rows(), full.rows());
    for (id, p) in told.known() {
        let (a, b) = (told.log_prob(id), full.log_prob(id));
        assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()) || (a.is_infinite() && b.is_infinite()), "{id:?}: {a} and {b}");
        assert!(p <= 1.0 + 1e-6);
    }
    let known: f64 = told.known().map(|(_, p)| p).sum();
    assert!((known + told.rest() - 1.0).abs() < 1e-4, "{known} and {}", told.rest());
    // No other token has more than is said.
    let most = (0..told.rows() as u32).map(TokenId).filter(|id| !told.knows(*id)).map(|id| full.prob(id));
    assert!(most.fold(0.0, f64::max) <= told.ceiling() + 1e-9);
}

/// The most probable tokens behind each of `prompts`, `steps` of them, all prompts together.
pub(crate) fn greedy(model: &mut dyn LanguageModel, prompts: &[Vec<TokenId>], steps: usize) -> Vec<Vec<TokenId>> {
    let sequences: Vec<SequenceId> = prompts.iter().map(|prompt| model.open(prompt).unwrap()).collect();
    let mut owed: Vec<Vec<TokenId>> =
        prompts.iter().zip(&sequences).map(|(prompt, id)| prompt[model.length(*id)..].to_vec()).collect();
    let mut out = vec![Vec::new(); prompts.len()];
    for _ in 0..steps {
        let batch: Vec<Extension<'_>> = sequences
            .iter()
            .zip(&owed)
            .map(|(&sequence, tokens)| Extension { sequence, tokens, wanted: Wanted::Last })
            .collect();
        let tops: Vec<TokenId> = model.extend(&batch).unwrap().iter().map(|told| told[0].top().0).collect();
        for ((owed, out), top) in owed.iter_mut().zip(&mut out).zip(tops) {
            *owed = vec![top];
            out.push(top);
        }
    }
    for sequence in sequences {
        model.close(sequence);
    }
    out
}

pub(crate) fn prompts(count: usize) -> Vec<Vec<TokenId>> {
    (0..count as u32).map(|prompt| ids((0..3 + prompt % 5).map(|at| 20 + prompt * 3 + at * 2))).collect()
}
