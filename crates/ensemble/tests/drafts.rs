//! Drafts change how long an answer takes and nothing of it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_script, request, stopping};
use gac_ensemble::BatchLimits;
use gac_ensemble::{
    Certainty, Decoding, DraftCounts, DraftLength, Drafting, Gating, Generation, GenerationRequest, MemberId, Method,
    Proposer, Sampling, Settings, Threshold, Weighting, Weights, generate_each,
};
use gac_inference::TokenId;
use gac_inference::testkit::tokenizer;
use std::ops::ControlFlow;
use std::sync::Arc;

/// By request: rule and generation, or why there is none.
type Answers = Vec<(usize, Result<(usize, Generation), String>)>;

const PROMPT: Drafting = Drafting { by: Proposer::Prompt, length: DraftLength::Auto };

/// A member that goes by its last few tokens, so that texts repeat themselves; now and then it depends on all of them.
fn repeating(random: &mut Random) -> Script {
    let any = random_script(random);
    let rule = Arc::clone(&any.rule);
    let (back, surprise) = (1 + random.below(3), random.below(6) as u32);
    let repeats = move |tokens: &[TokenId]| {
        let recent = &tokens[tokens.len().saturating_sub(back)..];
        if tokens.len() as u32 % 7 < surprise / 3 { rule(tokens) } else { rule(recent) }
    };
    Script { rule: Arc::new(repeats), ..any }
}

/// By the prompt, by a drafter without a vote, or by a member that is asked at every step.
fn proposer(random: &mut Random, trial: &Trial) -> Proposer {
    match trial.gating {
        _ if random.below(3) == 0 => Proposer::Prompt,
        _ if random.below(3) == 0 => Proposer::Drafter,
        Gating::KeyTokens { gate, .. } => Proposer::Member(gate),
        _ => Proposer::Member(MemberId(random.below(trial.scripts.len()))),
    }
}

fn lengths(random: &mut Random) -> DraftLength {
    match random.below(3) {
        0 => DraftLength::Auto,
        _ => DraftLength::Tokens(1 + random.below(8)),
    }
}

/// A generation as far as drafts may not change it.
fn without_times(generation: &Generation) -> Generation {
    Generation { seconds: 0.0, drafts: DraftCounts::default(), ..generation.clone() }
}

/// Answers of `bench` under all its rules, by request and rule; an error as its text.
fn answers(bench: &mut Bench, requests: &[GenerationRequest], samples: usize) -> (Answers, DraftCounts) {
    let mut all = Vec::new();
    let mut counts = DraftCounts::default();
    let settings = Arc::clone(&bench.settings);
    let limits = BatchLimits::batch(samples);
    generate_each(&mut bench.scheduler, &settings, requests, limits, &mut |request, answer| {
        if let Ok((_, generation)) = &answer {
            counts.drafted += generation.drafts.drafted;
            counts.accepted += generation.drafts.accepted;
            counts.verifications += generation.drafts.verifications;
        }
        let answer = answer.map(|(rule, generation)| (rule, without_times(&generation)));
        all.push((request, answer.map_err(|error| error.to_string())));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(bench.open_sequences(), 0, "sequences were left open");
    all.sort_by_key(|(request, answer)| (*request, answer.as_ref().map_or(0, |(rule, _)| *rule)));
    (all, counts)
}

/// A system to be asked with drafts and without: random members, weights, gating, method, sampling, caches, contexts.
struct Trial {
    scripts: Vec<Script>,
    /// Who drafts without a vote, where that is asked for: one like a member, or another one.
    drafter: Script,
    weights: Weights,
    gating: Gating,
    method: Method,
    weighting: Weighting,
    decoding: Decoding,
    thresholds: Vec<Threshold>,
    requests: Vec<GenerationRequest>,
    samples: usize,
}

impl Trial {
    fn random(random: &mut Random) -> Self {
        let members = 1 + random.below(3);
        let mut scripts: Vec<Script> = (0..members).map(|_| repeating(random)).collect();
        if members > 1 && random.below(3) == 0 {
            scripts[1] = scripts[0].clone();
        }
        let limit = |random: &mut Random, script: &Script| {
            let cache = if random.below(4) == 0 { 10 + random.below(50) } else { 1 << 20 };
            let context = if random.below(4) == 0 { 16 + random.below(20) } else { 4096 };
            let script = script.with(|limits| (limits.cache, limits.context) = (cache, context));
            let script = if random.below(5) == 0 { script.listing(1 + random.below(6)) } else { script };
            if random.below(4) == 0 { script.on_a_server() } else { script }
        };
        let drafter = if random.below(2) == 0 { scripts[0].clone() } else { repeating(random) };
        let drafter = limit(random, &drafter);
        let scripts: Vec<Script> = scripts.iter().map(|script| limit(random, script)).collect();
        let raw: Vec<f64> = (0..members).map(|_| 0.1 + random.unit()).collect();
        let threshold = |random: &mut Random| Threshold::new([0.2, 0.4, 0.7, 1.0][random.below(4)]).unwrap();
        let certainty = [Certainty::TopProbability, Certainty::Margin, Certainty::Entropy][random.below(3)];
        let gate = MemberId(random.below(members));
        let gated = random.below(2) == 0;
        let sampling = Sampling::new(0.6, random.next()).unwrap().with_top_p(0.9).unwrap();
        Self {
            weights: Weights::given(&raw).unwrap(),
            gating: if gated {
                Gating::KeyTokens { gate, certainty, threshold: threshold(random) }
            } else {
                Gating::EveryStep
            },
            method: [Method::Gac, Method::Gac, Method::Unite { top_k: 3 }, Method::Geometric { floor: 0.01 }]
                [random.below(4)],
            weighting: match random.below(4) {
                0 => Weighting::PromptPerplexity { temperature: 1.0 },
                _ => Weighting::Given,
            },
            decoding: if random.below(3) == 0 { Decoding::Sampled(sampling) } else { Decoding::Greedy },
            thresholds: if gated && random.below(2) == 0 {
                (0..2 + random.below(3)).map(|_| threshold(random)).collect()
            } else {
                Vec::new()
            },
            requests: (0..4)
                .map(|_| {
                    let stop = [&["ab", "b "][..], &["\n"], &[]][random.below(3)];
                    stopping(&random_prompt(random), random.below(40), stop)
                })
                .collect(),
            samples: [1, 3, 9][random.below(3)],
            scripts,
            drafter,
        }
    }

    fn ask(&self, drafting: Option<Drafting>) -> (Answers, DraftCounts) {
        let mut bench = Bench::new(&self.scripts, self.weights.clone(), self.gating);
        bench.set(|settings| {
            let settings = settings.with_method(self.method)?.with_weighting(self.weighting)?;
            let settings = settings.with_decoding(self.decoding);
            let settings: Settings = match &self.thresholds[..] {
                [] => settings,
                thresholds => settings.with_thresholds(thresholds)?,
            };
            Ok(match drafting {
                Some(drafting) => settings.with_drafting(drafting),
                None => settings,
            })
        });
        if let Some(Drafting { by: Proposer::Drafter, length }) = drafting {
            bench.draft_by(&self.drafter, length);
        }
        answers(&mut bench, &self.requests, self.samples)
    }
}

#[test]
fn with_drafts_everything_comes_out_as_it_does_without() {
    let mut random = Random(91);
    let mut all = DraftCounts::default();
    let mut errors = 0;
    for round in 0..900 {
        let trial = Trial::random(&mut random);
        let drafting = Drafting { length: lengths(&mut random), by: proposer(&mut random, &trial) };
        let (mut without, nothing) = trial.ask(None);
        let (mut with, counts) = trial.ask(Some(drafting));
        if trial.scripts.iter().chain([&trial.drafter]).any(|script| script.limits.cache < 1 << 20) {
            // Who makes room is asked again, and when that is depends on what is read ahead.
            let generations = with.iter_mut().chain(&mut without).filter_map(|(_, answer)| answer.as_mut().ok());
            generations.flat_map(|(_, generation)| &mut generation.steps).for_each(|step| step.asks = 0);
        }
        assert_eq!(nothing, DraftCounts::default());
        for (with, without) in with.iter().zip(&without) {
            assert_eq!(with, without, "round {round}, {drafting:?}, {:?}, {:?}", trial.gating, trial.decoding);
        }
        assert_eq!(with.len(), without.len());
        errors += without.iter().filter(|(_, answer)| answer.is_err()).count();
        all.drafted += counts.drafted;
        all.accepted += counts.accepted;
        all.verifications += counts.verifications;
    }
    println!("{all:?}, {errors} errors");
    assert!(all.accepted > 2000 && all.drafted > all.accepted + 2000 && errors > 20, "{all:?}, {errors} errors");
}

/// A member that says "ab" again and again.
fn alternating() -> Script {
    Script::says(tokenizer(&["q", "a", "b"], &[]), &[("a", &[("b", 0.8)]), ("", &[("a", 0.8)])])
}

#[test]
fn a_text_that_repeats_itself_is_read_in_few_forwards() {
    let four = Drafting { length: DraftLength::Tokens(4), ..PROMPT };
    for (bench, every) in [
        (Bench::every_step(&[alternating(), alternating()]), true),
        (Bench::gated(&[alternating(), alternating()], 1.0), false),
    ] {
        let mut bench = bench;
        bench.set(|settings| Ok(settings.with_drafting(four)));
        let generation = bench.generate(&[request("q", 23)], 1).remove(0);
        assert_eq!(generation.text(), format!("{}a", "ab".repeat(11)));
        let forwards: Vec<usize> = bench.logs.iter().map(|log| log.lock().unwrap().len()).collect();
        // "a", "b", "a", and from then on what came after "a" before, as far as there is any: four with the next token.
        assert_eq!(forwards, [7, 7], "every step: {every}");
        let drafts = generation.drafts;
        assert_eq!((drafts.accepted, drafts.verifications), (23 - 7, 7), "{drafts:?}");
    }
}

#[test]
fn a_member_on_a_server_runs_ahead_by_itself_and_is_asked_token_by_token() {
    let four = Drafting { length: DraftLength::Tokens(4), ..PROMPT };
    let by_first = Drafting { by: Proposer::Member(MemberId(0)), ..four };
    let by_server = Drafting { by: Proposer::Member(MemberId(1)), ..four };
    for (drafting, forwards) in [(four, [7, 23, 7]), (by_first, [23, 23, 6]), (by_server, [6, 23, 6])] {
        let mut bench = Bench::every_step(&[alternating(), alternating().on_a_server(), alternating()]);
        bench.set(|settings| Ok(settings.with_drafting(drafting)));
        let generation = bench.generate(&[request("q", 23)], 1).remove(0);
        assert_eq!(generation.text(), format!("{}a", "ab".repeat(11)));
        let found: Vec<usize> = bench.logs.iter().map(|log| log.lock().unwrap().len()).collect();
        assert_eq!(found, forwards, "{drafting:?}");
    }
    // Alone on servers, nothing is drafted.
    let mut bench = Bench::every_step(&[alternating().on_a_server()]);
    bench.set(|settings| Ok(settings.with_drafting(four)));
    assert_eq!(bench.settings.drafting(), None);
}

#[test]
fn a_member_goes_on_alone_and_the_others_read_what_it_guessed_in_few_forwards() {
    // The first is always right; the second agrees, and is asked about five tokens at once.
    let by_first = Drafting { by: Proposer::Member(MemberId(0)), length: DraftLength::Tokens(4) };
    let mut bench = Bench::every_step(&[alternating(), alternating()]);
    bench.set(|settings| Ok(settings.with_drafting(by_first)));
    let generation = bench.generate(&[request("q", 21)], 1).remove(0);
    assert_eq!(generation.text(), format!("{}a", "ab".repeat(10)));
    let forwards: Vec<usize> = bench.logs.iter().map(|log| log.lock().unwrap().len()).collect();
    // One token, then four times five: of the first member after each token, of the second once.
    assert_eq!(forwards, [1 + 4 * 5, 1 + 4]);
    let drafts = generation.drafts;
    assert_eq!((drafts.drafted, drafts.accepted, drafts.verifications), (16, 16, 5), "{drafts:?}");
}

#[test]
fn a_gate_goes_on_alone_and_its_supporters_are_asked_about_several_tokens_at_once() {
    let by_gate = Drafting { by: Proposer::Member(MemberId(0)), length: DraftLength::Tokens(4) };
    let mut bench = Bench::gated(&[alternating(), alternating()], 1.0);
    bench.set(|settings| Ok(settings.with_drafting(by_gate)));
    let generation = bench.generate(&[request("q", 21)], 1).remove(0);
    assert_eq!(generation.text(), format!("{}a", "ab".repeat(10)));
    let supporter = bench.logs[1].lock().unwrap().len();
    assert!(supporter <= 7, "{supporter} forwards for 21 tokens that are all voted on");
}

#[test]
fn a_drafter_without_a_vote_goes_on_alone_and_all_members_read_what_it_guessed() {
    for (mut bench, gated) in [
        (Bench::every_step(&[alternating(), alternating()]), false),
        (Bench::every_step(&[alternating()]), false),
        (Bench::gated(&[alternating(), alternating()], 1.0), true),
    ] {
        let members = bench.logs.len();
        // Its ids are others than the members'.
        let others = tokenizer(&["b", "x", "a", "q"], &[]);
        bench.draft_by(&Script::says(others, &[("a", &[("b", 0.8)]), ("", &[("a", 0.8)])]), DraftLength::Tokens(4));
        let generation = bench.generate(&[request("q", 21)], 1).remove(0);
        assert_eq!(generation.text(), format!("{}a", "ab".repeat(10)));
        assert_eq!((generation.prompt_tokens.len(), generation.steps[0].views.len()), (members, members));
        let forwards: Vec<usize> = bench.logs.iter().map(|log| log.lock().unwrap().len()).collect();
        // One token, then four times five; the drafter's first forward reads the prompt.
        assert_eq!(forwards[members], 4 * 4, "gated: {gated}");
        assert!(forwards[..members].iter().all(|&of_member| of_member <= 7), "{forwards:?}, gated: {gated}");
        let drafts = generation.drafts;
        assert_eq!((drafts.drafted, drafts.accepted, drafts.verifications), (16, 16, 5), "{drafts:?}");
    }
}

#[test]
fn a_drafter_that_cannot_hold_or_spell_a_text_changes_nothing() {
    let without = Bench::every_step(&[alternating()]).text("qq", 21);
    let spells = |pieces: &[&str]| Script::says(tokenizer(pieces, &[]), &[("", &[("a", 0.9)])]);
    let all = spells(&["q", "a", "b"]);
    for drafter in [
        spells(&["q", "a"]),
        spells(&["a"]),
        all.with(|limits| limits.context = 2),
        all.with(|limits| limits.context = 6),
        all.with(|limits| limits.cache = 1),
        all.with(|limits| limits.cache = 5),
    ] {
        let mut bench = Bench::every_step(&[alternating()]);
        bench.draft_by(&drafter, DraftLength::Tokens(3));
        assert_eq!(bench.text("qq", 21), without);
    }
}

#[test]
fn a_member_that_is_not_asked_at_every_step_drafts_nothing() {
    let by_supporter = Drafting { by: Proposer::Member(MemberId(1)), length: DraftLength::Tokens(4) };
    let mut bench = Bench::gated(&[alternating(), alternating()], 0.5);
    bench.set(|settings| Ok(settings.with_drafting(by_supporter)));
    assert_eq!(bench.settings.drafting(), None);
    assert_eq!(bench.generate(&[request("q", 9)], 1).remove(0).drafts, DraftCounts::default());
}
