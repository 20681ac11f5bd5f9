//! Methods, verification, sampling and weights by perplexity, step by step with scripted members.
#![allow(clippy::unwrap_used, clippy::manual_midpoint, reason = "tests; sums as one would write them by hand")]

mod common;

use common::{Bench, Random, Script, random_prompt, random_script, request, scoring};
use gac_ensemble::{
    Certainty, Decoding, Fused, Gating, Generation, MemberId, Method, Sampling, Threshold, UnionVocabulary, Weighting,
    Weights,
};
use gac_inference::testkit::tokenizer;
use gac_inference::{Distribution, TokenId};

const METHODS: [Method; 3] = [Method::Gac, Method::UNITE, Method::GEOMETRIC];

fn texts(generations: &[Generation]) -> Vec<String> {
    generations.iter().map(Generation::text).collect()
}

fn bench(scripts: &[Script], gating: Gating, method: Method) -> Bench {
    let mut bench = Bench::new(scripts, Weights::uniform(scripts.len()), gating);
    bench.set(|settings| settings.with_method(method));
    bench
}

#[test]
fn every_method_keeps_the_ends_of_the_scale_and_the_order_of_members() {
    let mut random = Random(51);
    for round in 0..12 {
        let scripts: Vec<Script> = (0..3).map(|_| random_script(&mut random)).collect();
        let requests: Vec<_> = (0..3).map(|_| request(&random_prompt(&mut random), 12)).collect();
        let alone = texts(&Bench::every_step(&scripts[..1]).generate(&requests, 3));
        for method in METHODS {
            let every = texts(&bench(&scripts, Gating::EveryStep, method).generate(&requests, 3));
            for certainty in [Certainty::TopProbability, Certainty::Entropy, Certainty::Margin] {
                let at = |threshold: f64| Gating::KeyTokens {
                    gate: MemberId(0),
                    certainty,
                    threshold: Threshold::new(threshold).unwrap(),
                };
                assert_eq!(texts(&bench(&scripts, at(0.0), method).generate(&requests, 3)), alone, "{method:?}");
                assert_eq!(texts(&bench(&scripts, at(1.0), method).generate(&requests, 3)), every, "{method:?}");
            }
            let turned = [scripts[2].clone(), scripts[0].clone(), scripts[1].clone()];
            let turned = texts(&bench(&turned, Gating::EveryStep, method).generate(&requests, 3));
            assert_eq!(turned, every, "round {round}, {method:?}");
        }
    }
}

#[test]
fn a_model_with_itself_says_what_it_says_alone_by_every_method() {
    let mut random = Random(52);
    for _ in 0..10 {
        let script = random_script(&mut random);
        if script.tokenizer.vocabulary().ends().len() > 1 {
            continue;
        }
        let prompt = random_prompt(&mut random);
        let alone = Bench::every_step(std::slice::from_ref(&script)).text(&prompt, 20);
        for method in METHODS {
            assert_eq!(bench(&[script.clone(), script.clone()], Gating::EveryStep, method).text(&prompt, 20), alone);
        }
        let safe = Gating::Safe { drafter: MemberId(1) };
        assert_eq!(bench(&[script.clone(), script.clone()], safe, Method::Gac).text(&prompt, 20), alone);
    }
}

/// The drafter says "So" and "fia"; the verifier has "Sofia" whole and would say it, then "is" against "was".
fn sofia() -> [Script; 2] {
    let drafter = Script::says(
        tokenizer(&["q ", "So", "fia", "Rome", " is", " was", "S", "o", "f", "i", "a", "<eos>"], &["<eos>"]),
        &[
            ("q ", &[("So", 0.6), ("Rome", 0.3)]),
            ("So", &[("fia", 0.9)]),
            ("Sofia", &[(" was", 0.5), (" is", 0.4)]),
            (" is", &[("<eos>", 0.9)]),
        ],
    );
    let verifier = Script::says(
        tokenizer(&["q ", "Sofia", "So", "Rome", " is", " was", "S", "o", "f", "i", "a", "</s>"], &["</s>"]),
        &[
            ("q ", &[("So", 0.5), ("Sofia", 0.4)]),
            ("So", &[("Rome", 0.9)]),
            ("Sofia", &[(" is", 0.8), (" was", 0.1)]),
            (" is", &[("</s>", 0.9)]),
        ],
    );
    [drafter, verifier]
}

#[test]
fn verification_picks_out_where_to_vote() {
    let scripts = sofia();
    // Voting at every step, the verifier breaks the word: after "So" it expects nothing that makes sense.
    assert_eq!(Bench::every_step(&scripts).text("q ", 2), "SoRome");
    let mut safe = bench(&scripts, Gating::Safe { drafter: MemberId(0) }, Method::Gac);
    let generation = safe.generate(&[request("q ", 9)], 1).remove(0);
    assert_eq!(generation.text(), "Sofia is");
    let ensembled: Vec<bool> = generation.steps.iter().map(|step| step.ensembled).collect();
    // "So": all agree. "fia": not right after a piece of "Sofia". " was": overruled by " is". END: all agree.
    assert_eq!(ensembled, [false, false, true, false]);
    assert!((generation.steps[2].probability - (0.4 + 0.8) / 2.0).abs() < 1e-6);
    let log = safe.logs[1].lock().unwrap();
    let fed: Vec<Vec<u32>> = log.iter().flatten().map(|(_, ids)| ids.iter().map(|id| id.0).collect()).collect();
    // It was not asked about "fia", and is then fed "So" and, in its own pieces, "fia".
    assert_eq!(fed, [vec![0], vec![2, 8, 9, 10], vec![4]]);
}

#[test]
fn a_vote_without_a_majority_is_sharpened() {
    let drafter = Script::says(
        tokenizer(&["q ", "Sofia", "Rome", "Oslo", "So", "f", "i", "a"], &[]),
        &[("q ", &[("Rome", 0.39), ("Sofia", 0.36), ("Oslo", 0.2)])],
    );
    let verifier = Script::says(
        tokenizer(&["q ", "So", "fia", "Rome", "Oslo"], &[]),
        &[("q ", &[("So", 0.4), ("Oslo", 0.36), ("Rome", 0.2)])],
    );
    let scripts = [drafter, verifier];
    // Averages: Rome 0.295, Oslo 0.28, Sofia 0.18; with "So" for the first piece, Sofia 0.38.
    assert_eq!(Bench::every_step(&scripts).text("q ", 1), "Rome");
    let mut safe = bench(&scripts, Gating::Safe { drafter: MemberId(0) }, Method::Gac);
    let step = safe.generate(&[request("q ", 1)], 1).remove(0).steps.remove(0);
    assert_eq!((&step.bytes[..], step.ensembled), (&b"Sofia"[..], true));
    // What is reported is its probability in the average, not what it was sharpened to.
    assert!((step.probability - 0.36 / 2.0).abs() < 0.01, "{}", step.probability);
}

#[test]
fn draws_are_the_same_whatever_the_batch_and_follow_the_seed() {
    let mut random = Random(53);
    let scripts: Vec<Script> = (0..2).map(|_| random_script(&mut random)).collect();
    let requests: Vec<_> = (0..9).map(|_| request(&random_prompt(&mut random), 15)).collect();
    let run = |seed: u64, max_samples: usize, gating: Gating, reversed: bool| {
        let mut bench = bench(&scripts, gating, Method::Gac);
        bench.set(|settings| Ok(settings.with_decoding(Decoding::Sampled(Sampling::new(1.0, seed).unwrap()))));
        let mut requests = requests.clone();
        if reversed {
            requests.reverse();
        }
        let mut texts = texts(&bench.generate(&requests, max_samples));
        if reversed {
            texts.reverse();
        }
        texts
    };
    for gating in [Gating::EveryStep, common::gating(0, 0.4)] {
        let one = run(1, 1, gating, false);
        assert_eq!(run(1, 9, gating, false), one);
        assert_eq!(run(1, 4, gating, true), one);
        assert_ne!(run(2, 9, gating, false), one);
    }
    let greedy = texts(&Bench::every_step(&scripts).generate(&requests, 9));
    assert_ne!(run(1, 9, Gating::EveryStep, false), greedy);
}

#[test]
fn drawn_tokens_come_as_often_as_the_fused_distribution_says() {
    let pieces = ["x", "y", "z"];
    let script = |p: &'static [(&'static str, f64)]| Script::says(tokenizer(&pieces, &[]), &[("", p)]);
    let scripts = [script(&[("x", 0.8), ("y", 0.1), ("z", 0.1)]), script(&[("x", 0.2), ("y", 0.7), ("z", 0.1)])];
    let mut bench = Bench::every_step(&scripts);
    bench.set(|settings| Ok(settings.with_decoding(Decoding::Sampled(Sampling::new(1.0, 3).unwrap()))));
    let text = bench.text("x", 2000);
    for (piece, expected) in [('x', 0.5), ('y', 0.4), ('z', 0.1)] {
        let share = text.chars().filter(|&c| c == piece).count() as f64 / 2000.0;
        assert!((share - expected).abs() < 0.04, "{piece}: {share}");
    }
}

#[test]
fn the_member_that_knows_the_prompt_has_the_say() {
    let pieces = ["a", "b", "c", "d"];
    // Both are asked after "abab"; the first has seen "ab" coming, the second has not.
    let knows = Script::says(
        tokenizer(&pieces, &[]),
        &[("abab", &[("c", 0.6), ("d", 0.4)]), ("a", &[("b", 0.8)]), ("b", &[("a", 0.8)])],
    );
    let knows_not =
        Script::says(tokenizer(&pieces, &[]), &[("abab", &[("d", 0.9)]), ("a", &[("b", 0.1)]), ("b", &[("a", 0.1)])]);
    let scripts = [knows, knows_not];
    assert_eq!(Bench::every_step(&scripts).text("abab", 1), "d");
    let mut bench = Bench::every_step(&scripts);
    bench.set(|settings| settings.with_weighting(Weighting::PromptPerplexity { temperature: 1.0 }));
    let step = bench.generate(&[request("abab", 1)], 1).remove(0).steps.remove(0);
    assert_eq!(step.bytes, b"c");
    // Perplexities 1/0.8 and 1/0.1: weights 8/9 and 1/9. The second gives c a third of what is left of 0.9.
    assert!((step.probability - (8.0 / 9.0 * 0.6 + 0.1 / 27.0)).abs() < 1e-6, "{}", step.probability);
    // Scored continuations are weighted by their context in the same way.
    let score = bench.score(&[scoring("abab", "c")], 1).remove(0);
    assert!((score.sum - step.probability.ln()).abs() < 1e-6, "{score:?}");
    // Nothing is known of a prompt of one token.
    let uniform = bench.generate(&[request("a", 1)], 1).remove(0).steps.remove(0);
    assert!((uniform.probability - 0.45).abs() < 1e-6, "{uniform:?}");
}

#[test]
fn a_trace_says_who_wanted_what() {
    let pieces = ["q", "x", "y", "z", "<eos>"];
    let a = Script::says(tokenizer(&pieces, &["<eos>"]), &[("q", &[("x", 0.5), ("y", 0.3), ("z", 0.2)])]);
    let b = Script::says(tokenizer(&pieces, &["<eos>"]), &[("q", &[("y", 0.9), ("x", 0.1)])]);
    let mut bench = Bench::gated(&[a, b], 0.6);
    let step = bench.generate(&[request("q", 1)], 1).remove(0).steps.remove(0);
    assert_eq!((&step.bytes[..], step.ensembled), (&b"y"[..], true));
    assert!((step.certainty.unwrap() - 0.5).abs() < 1e-6);
    assert_eq!(step.proposed, Some(bench.ensemble().union().token(gac_ensemble::UnionId(1)).clone()));
    let [Some(first), Some(second)] = &step.views[..] else { panic!("{step:?}") };
    assert!((first.share - 0.25).abs() < 1e-6 && (second.share - 0.75).abs() < 1e-6, "0.3 and 0.9 of 1.2");
    let top: Vec<(String, f64)> = first.top.iter().map(|(token, p)| (format!("{token:?}"), *p)).collect();
    assert!(top[0].0.contains("120") && (top[0].1 - 0.5).abs() < 1e-6, "x comes first: {top:?}");
    assert!(first.unmapped.abs() < 1e-9);
    let sure = bench.generate(&[gac_ensemble::GenerationRequest { trace: false, ..request("q", 1) }], 1).remove(0);
    assert!(sure.steps.is_empty());
}

#[test]
fn the_winner_is_the_largest_entry_of_the_whole_sum_whether_or_not_all_agree() {
    let mut random = Random(54);
    let (mut agreed, mut of_several_ids) = (0, 0);
    for round in 0..3000 {
        let tokenizers: Vec<_> = (0..2).map(|_| common::random_tokenizer(&mut random)).collect();
        let union = UnionVocabulary::new(&[tokenizers[0].vocabulary(), tokenizers[1].vocabulary()]);
        // Few levels, so that there are ties; often the same token on top.
        let favourite = random.below(tokenizers[0].vocabulary().len()) as u32;
        let key = union.projection(MemberId(0)).key(TokenId(favourite)).unwrap();
        let views: Vec<Distribution> = tokenizers
            .iter()
            .enumerate()
            .map(|(member, tokenizer)| {
                let mut logits: Vec<f32> =
                    (0..tokenizer.vocabulary().len()).map(|_| random.below(4) as f32 * 0.7).collect();
                if let (Some(id), true) = (union.projection(MemberId(member)).ids(key).first(), round % 2 == 0) {
                    logits[id.index()] = 2.1 + random.below(3) as f32 * 0.7;
                }
                Distribution::dense(logits)
            })
            .collect();
        let weights = Weights::given(&[random.below(3) as f64 + 0.5, random.below(2) as f64]).unwrap();
        let members: Vec<&Distribution> = views.iter().collect();
        let fused = Fused::new(&union, &weights, &members);
        let mut q = Vec::new();
        fused.fill(&mut q);
        let mut best = 0;
        for (token, &p) in q.iter().enumerate() {
            if p > q[best] {
                best = token;
            }
        }
        let (winner, p) = fused.winner().unwrap();
        assert_eq!((winner.index(), p.to_bits()), (best, q[best].to_bits()), "round {round}");
        let tops: Vec<_> = (0..2)
            .map(|member| {
                let (id, _) = gac_ensemble::top(&union, MemberId(member), members[member]);
                union.projection(MemberId(member)).key(id).unwrap()
            })
            .collect();
        agreed += usize::from(tops[0] == tops[1]);
        of_several_ids += usize::from(tops[0] == tops[1] && winner != tops[0]);
    }
    assert!(agreed > 500 && of_several_ids > 5, "{agreed} agreed, {of_several_ids} of them outdone by a sum");
}
