//! What drafts gain where it is known how many come true, and drafting is free:
//!
//!     cargo run --release --example oracle_drafts -- MODEL MODEL [ACCEPTANCE...]
//!
//! Generates with two members of equal weight, one sample at a time: without drafts, and with a drafter without a vote that
//! knows what comes next. It says that at the stated share of positions, and something else at the others. Prints
//! milliseconds per token, taken in turn, and whether texts are equal (they have to be). `acceptance` is the share of
//! positions at which the truth was told, `came true` that of all guesses that were read: behind a wrong one, none does.

#![allow(clippy::print_stdout, reason = "a program whose output is data")]

use std::collections::HashMap;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, DraftLength, Drafting, Gating, Generation, GenerationRequest, Member, ModelId, Overlong,
    PromptEncoding, Proposer, Scheduler, Settings, Weights, generate,
};
use gac_inference::testkit::ScriptedModel;
use gac_inference::{Engine, EngineOptions, ModelSource, Symbol, TokenId, Tokenizer, output_rows};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROMPTS: [&str; 3] =
    ["Question: How many clips are left?\nAnswer:", "The river that runs through the city", "1, 1, 2, 3, 5, 8,"];
const TOKENS: usize = 64;
const TURNS: usize = 3;

/// What an oracle says behind a prompt: by step, whether it is the truth, and a token; none where it has none.
struct Saying {
    prompt: Vec<TokenId>,
    /// Each with the bytes that come before it.
    steps: HashMap<usize, (bool, TokenId)>,
    count: usize,
}

impl Saying {
    /// Tells the truth about `answer` at so large a `share` of its steps.
    fn new(tokenizer: &Tokenizer, prompt: &str, answer: &Generation, share: f64) -> Result<Self, Box<dyn Error>> {
        let vocabulary = tokenizer.vocabulary();
        let texts = vocabulary.iter().filter_map(|(id, symbol)| match symbol {
            Symbol::Text { bytes, .. } => Some((&**bytes, id)),
            _ => None,
        });
        let ids: HashMap<&[u8], TokenId> = texts.collect();
        let count = answer.steps.len();
        // An order as if it were drawn: the first of it are told.
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&at| {
            let mut hasher = DefaultHasher::new();
            (prompt, at).hash(&mut hasher);
            hasher.finish()
        });
        let told = &order[..(share * count as f64).round().clamp(0.0, count as f64) as usize];
        let mut before = 0;
        let mut steps = HashMap::new();
        for (at, step) in answer.steps.iter().enumerate() {
            if let Some(&id) = ids.get(&step.bytes[..]) {
                let other = TokenId((id.0 + 1) % vocabulary.len() as u32);
                let is_true = told.contains(&at);
                steps.insert(before, (is_true, if is_true { id } else { other }));
            }
            before += step.bytes.len();
        }
        Ok(Self { prompt: tokenizer.encode_prompt(prompt)?, steps, count })
    }
}

/// A model that knows what comes next, as far as `sayings` say it.
fn oracle(tokenizer: &Arc<Tokenizer>, sayings: Vec<Saying>) -> Member {
    let vocabulary = tokenizer.vocabulary().clone();
    let model = ScriptedModel::new(vocabulary.len(), move |tokens| {
        let said = sayings.iter().find(|saying| tokens.starts_with(&saying.prompt));
        let next = said.and_then(|it| it.steps.get(&vocabulary.decode(&tokens[it.prompt.len()..]).len()));
        vec![(next.map_or(TokenId(0), |(_, id)| *id), 1.0)]
    });
    Member { name: "oracle".into(), model: Box::new(model), tokenizer: Arc::clone(tokenizer) }
}

/// A model as the member of an ensemble.
fn member(name: &str) -> Result<Member, Box<dyn Error>> {
    let source = ModelSource::parse(name)?;
    let tokenizer = Arc::new(Tokenizer::load(&source, output_rows(&source)?)?);
    let model = Box::new(Engine::load(&source, &EngineOptions::default())?);
    Ok(Member { name: name.to_owned(), model, tokenizer })
}

/// The answers to all prompts, one at a time.
fn answers(scheduler: &mut Scheduler, settings: &Arc<Settings>) -> Result<Vec<Generation>, Box<dyn Error>> {
    let requests = PROMPTS.map(|prompt| GenerationRequest {
        log_probs: None,
        decoding: None,
        prompt: prompt.into(),
        encoding: PromptEncoding::WithSpecial,
        stop: Vec::new(),
        max_new_tokens: TOKENS,
        overlong: Overlong::Refuse,
        trace: true,
    });
    let mut answers = Vec::new();
    generate(scheduler, settings, &requests, BatchLimits::batch(1), &mut |_, answer| {
        answers.push(answer);
        ControlFlow::Continue(())
    })?;
    Ok(answers)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(first), Some(second)) = (arguments.next(), arguments.next()) else {
        return Err("usage: oracle_drafts MODEL MODEL [ACCEPTANCE...]".into());
    };
    let shares = arguments.map(|share| share.parse()).collect::<Result<Vec<f64>, _>>()?;
    let shares = if shares.is_empty() { vec![0.7, 0.85] } else { shares };
    let members = [member(&first)?, member(&second)?];
    // The larger vocabulary has more of what is said.
    let [one, other] = members.each_ref().map(|member| &member.tokenizer);
    let tokenizer = Arc::clone(if one.vocabulary().len() > other.vocabulary().len() { one } else { other });
    let mut scheduler = Scheduler::new(members.into());
    let plain = scheduler.ensemble(&[ModelId(0), ModelId(1)])?;
    let plain = Arc::new(Settings::new(plain, Weights::uniform(2), Gating::EveryStep)?);

    let truth = answers(&mut scheduler, &plain)?;
    println!("| acceptance | draft-tokens | ms/token | without | gain | came true | tokens a reading | texts |");
    println!("|---|---|---|---|---|---|---|---|");
    for share in shares {
        let sayings = PROMPTS.iter().zip(&truth).map(|(prompt, answer)| Saying::new(&tokenizer, prompt, answer, share));
        let sayings = sayings.collect::<Result<Vec<_>, _>>()?;
        let told = sayings.iter().flat_map(|it| it.steps.values()).filter(|(is_true, _)| *is_true).count();
        let told = told as f64 / sayings.iter().map(|it| it.count).sum::<usize>() as f64;
        let model = scheduler.add(oracle(&tokenizer, sayings));
        let drafter = scheduler.drafter(plain.ensemble(), model)?;
        let settings = (*plain).clone().with_drafter(drafter)?;
        for (name, length) in [("auto", DraftLength::Auto), ("4", DraftLength::Tokens(4))] {
            let drafted = settings.clone().with_drafting(Drafting { by: Proposer::Drafter, length });
            let drafted = Arc::new(drafted);
            let (mut with, mut without) = (f64::INFINITY, f64::INFINITY);
            let mut last = Vec::new();
            for _ in 0..TURNS {
                without = without.min(milliseconds(&answers(&mut scheduler, &plain)?));
                last = answers(&mut scheduler, &drafted)?;
                with = with.min(milliseconds(&last));
            }
            let sum = |count: fn(&Generation) -> usize| last.iter().map(count).sum::<usize>() as f64;
            let came_true = sum(|it| it.drafts.accepted) / sum(|it| it.drafts.drafted);
            let a_reading = sum(|it| it.tokens) / sum(|it| it.drafts.verifications);
            let equal = last.iter().zip(&truth).all(|(drafted, plain)| drafted.bytes == plain.bytes);
            println!(
                "| {told:.2} | {name} | {with:.1} | {without:.1} | {:.2} | {came_true:.2} | {a_reading:.2} | {} |",
                without / with,
                if equal { "equal" } else { "NOT EQUAL" },
            );
        }
    }
    Ok(())
}

/// Of a token.
fn milliseconds(answers: &[Generation]) -> f64 {
    let (seconds, tokens) = answers.iter().fold((0.0, 0), |(s, t), it| (s + it.seconds, t + it.tokens));
    1000.0 * seconds / tokens as f64
}
