//! All thresholds decoded together are what each is alone, and cost less.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::{Bench, Random, Script, gating, random_prompt, random_script, random_speller, request, scoring, stopping};
use gac_ensemble::{
    BatchLimits, Certainty, Decoding, EnsembleError, Finish, Gating, Generation, GenerationRequest, MemberId, Method,
    Sampling, Settings, Threshold, Weighting, Weights, generate_each, log_likelihood_each,
};
use gac_inference::testkit::tokenizer;

/// The same under each of `thresholds`.
fn under(settings: &Settings, thresholds: &[Threshold]) -> Arc<Settings> {
    Arc::new(settings.clone().with_thresholds(thresholds).unwrap())
}

/// `[request][threshold]`; checks that each is given once and no sequence stays open.
fn swept(
    bench: &mut Bench,
    requests: &[GenerationRequest],
    thresholds: &[f64],
    max_samples: usize,
) -> Vec<Vec<Generation>> {
    let thresholds: Vec<Threshold> = thresholds.iter().map(|&t| Threshold::new(t).unwrap()).collect();
    let mut all: Vec<Vec<Option<Generation>>> = requests.iter().map(|_| vec![None; thresholds.len()]).collect();
    let limits = BatchLimits::batch(max_samples);
    let Bench { scheduler, settings, .. } = bench;
    generate_each(scheduler, &under(settings, &thresholds), requests, limits, &mut |request, generation| {
        let (threshold, generation) = generation.unwrap();
        assert!(all[request][threshold].replace(generation).is_none(), "{request} at {threshold} finished twice");
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(bench.open_sequences(), 0, "sequences were left open");
    all.into_iter().map(|of| of.into_iter().map(Option::unwrap).collect()).collect()
}

fn assert_same(swept: &Generation, alone: &Generation, what: &str) {
    assert_eq!(swept.text(), alone.text(), "{what}");
    assert_eq!((&swept.bytes, swept.finish), (&alone.bytes, alone.finish), "{what}");
    assert_eq!((swept.tokens, swept.ensembled), (alone.tokens, alone.ensembled), "{what}");
    assert_eq!(swept.member_tokens, alone.member_tokens, "{what}");
    assert_eq!(swept.prompt_tokens, alone.prompt_tokens, "{what}");
    assert_eq!(swept.steps, alone.steps, "{what}");
}

#[test]
fn a_sweep_is_token_for_token_what_separate_runs_are() {
    let mut random = Random(41);
    let thresholds: Vec<f64> = (0..=10).map(|t| f64::from(t) / 10.0).collect();
    let (mut votes, mut different) = (0, 0);
    let mut finishes = Vec::new();
    for round in 0..40 {
        let members = 2 + random.below(2);
        let scripts: Vec<Script> = (0..members)
            .map(|_| {
                random_speller(&mut random).with(|limits| match round % 4 {
                    // Too little cache for all branches, and too short a context for long responses.
                    1 => limits.cache = 70,
                    2 | 3 => limits.context = 14,
                    _ => {}
                })
            })
            .collect();
        let gate = random.below(members);
        let certainty = [Certainty::TopProbability, Certainty::Entropy, Certainty::Margin][round % 3];
        let method = [
            Method::Gac,
            Method::UNITE,
            Method::GEOMETRIC,
            Method::SampleAMember,
            Method::Bytes,
            Method::BytesProduct,
            Method::Chared,
        ][random.below(7)];
        let decoding = match random.below(3) {
            0 => Decoding::Sampled(Sampling::new(0.8, 5).unwrap().with_top_p(0.9).unwrap()),
            _ => Decoding::Greedy,
        };
        let weighting = match random.below(4) {
            0 => Weighting::PromptPerplexity { temperature: 1.0 },
            _ => Weighting::Given,
        };
        let requests: Vec<GenerationRequest> = (0..5)
            .map(|_| {
                let stop = [&["ab", "b "][..], &["\n"], &[]][random.below(3)];
                stopping(&random_prompt(&mut random), random.below(14), stop)
            })
            .collect();
        let bench = |threshold: f64| {
            let gating =
                Gating::KeyTokens { gate: MemberId(gate), certainty, threshold: Threshold::new(threshold).unwrap() };
            let mut bench = Bench::new(&scripts, Weights::uniform(members), gating);
            bench.set(|settings| settings.with_method(method));
            bench.set(|settings| settings.with_weighting(weighting));
            bench.set(|settings| Ok(settings.with_decoding(decoding)));
            bench
        };
        let together = swept(&mut bench(0.5), &requests, &thresholds, [1, 3, 50][random.below(3)]);
        for (t, &threshold) in thresholds.iter().enumerate() {
            let alone = bench(threshold).generate(&requests, 4);
            for (request, (swept, alone)) in together.iter().zip(&alone).enumerate() {
                assert_same(&swept[t], alone, &format!("round {round}, request {request}, threshold {threshold}"));
                votes += alone.ensembled;
                different += usize::from(swept[t].bytes != swept[0].bytes);
                finishes.push(alone.finish);
            }
        }
    }
    assert!(votes > 2000 && different > 500, "{votes} votes, {different} texts unlike the gate's");
    for finish in [Finish::End, Finish::Stop, Finish::Length, Finish::Context] {
        assert!(finishes.iter().filter(|&&f| f == finish).count() > 20, "{finish:?} was hardly met");
    }
}

/// The gate says a, b, c, ... with these certainties; the other member agrees but at the step of `dissent`.
fn alphabet(dissent: usize) -> [Script; 2] {
    let pieces = ["q", "a", "b", "c", "d", "e", "f", "g", "z"];
    let certainties = [0.95, 0.6, 0.85, 0.4, 0.75, 0.88, 0.55];
    let rules: Vec<(&str, Vec<(&str, f64)>)> =
        (0..7).map(|step| (pieces[step], vec![(pieces[step + 1], certainties[step])])).collect();
    let gate: Vec<(&str, &[(&str, f64)])> = rules.iter().map(|(ending, next)| (*ending, &next[..])).collect();
    let gate = Script::says(tokenizer(&pieces, &[]), &gate);
    let others: Vec<(&str, Vec<(&str, f64)>)> =
        (0..7).map(|step| (pieces[step], vec![(if step == dissent { "z" } else { pieces[step + 1] }, 0.99)])).collect();
    let others: Vec<(&str, &[(&str, f64)])> = others.iter().map(|(ending, next)| (*ending, &next[..])).collect();
    [gate, Script::says(tokenizer(&pieces, &[]), &others)]
}

#[test]
fn thresholds_that_say_the_same_are_one_sample_and_others_are_asked_once() {
    let thresholds: Vec<f64> = (1..=10).map(|t| f64::from(t) / 10.0).collect();
    let mut bench = Bench::gated(&alphabet(99), 0.5);
    let all = swept(&mut bench, &[request("q", 7)], &thresholds, 64);
    assert!(all[0].iter().all(|generation| generation.text() == "abcdefg"));
    let ensembled: Vec<usize> = all[0].iter().map(|generation| generation.ensembled).collect();
    assert_eq!(ensembled, [0, 0, 0, 1, 1, 3, 3, 4, 6, 7]);
    let sizes = |member: usize| -> Vec<usize> { bench.logs[member].lock().unwrap().iter().map(Vec::len).collect() };
    // One sequence at every step for both: at threshold 1 every step is a key token.
    assert_eq!(sizes(0), [1; 7]);
    assert_eq!(sizes(1), [1; 7]);
}

#[test]
fn a_sample_forks_only_where_the_vote_overrules_the_gate() {
    let thresholds: Vec<f64> = (1..=10).map(|t| f64::from(t) / 10.0).collect();
    // The third step, of certainty 0.85, is overruled: by thresholds 0.9 and 1.
    let mut bench = Bench::gated(&alphabet(2), 0.5);
    let all = swept(&mut bench, &[request("q", 7)], &thresholds, 64);
    let texts: Vec<String> = all[0].iter().map(Generation::text).collect();
    assert!(texts[..8].iter().all(|text| text == "abcdefg"), "{texts:?}");
    assert!(texts[8..].iter().all(|text| text.starts_with("abz")), "{texts:?}");
    let gate = bench.logs[0].lock().unwrap();
    // The prompt is read once, and after the fork two sequences grow.
    assert_eq!(gate.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2, 2]);
    assert!(gate.iter().skip(1).flatten().all(|(_, tokens)| tokens.len() == 1));
}

#[test]
fn several_thresholds_need_a_gate_and_one_of_them() {
    let half = Threshold::new(0.5).unwrap();
    let every = Bench::every_step(&alphabet(99)).settings;
    let without = (*every).clone().with_thresholds(&[half]);
    assert!(matches!(without, Err(EnsembleError::ThresholdsWithoutGate)));
    let gated = Bench::gated(&alphabet(99), 0.5).settings;
    assert!(matches!((*gated).clone().with_thresholds(&[]), Err(EnsembleError::NoThresholds)));
}

#[test]
fn no_sequence_stays_open_when_a_member_fails_in_a_sweep_or_the_caller_has_enough() {
    let thresholds = [0.1, 0.5, 0.9, 1.0].map(|t| Threshold::new(t).unwrap());
    for fuse in 0..7 {
        let mut bench = Bench::with_fuse(&alphabet(2), Weights::uniform(2), gating(0, 0.5), fuse);
        let (requests, limits) = ([request("q", 9)], BatchLimits::batch(2));
        let Bench { scheduler, settings, .. } = &mut bench;
        let mut go_on = |_, _| ControlFlow::Continue(());
        let result = generate_each(scheduler, &under(settings, &thresholds), &requests, limits, &mut go_on);
        assert!(matches!(result, Err(EnsembleError::Model { .. })), "{result:?}");
        assert_eq!(bench.open_sequences(), 0);
    }
    let mut bench = Bench::gated(&alphabet(2), 0.5);
    let (requests, limits) = (vec![request("q", 5); 3], BatchLimits::batch(9));
    let mut count = 0;
    let Bench { scheduler, settings, .. } = &mut bench;
    let result = generate_each(scheduler, &under(settings, &thresholds), &requests, limits, &mut |_, _| {
        count += 1;
        ControlFlow::Break(())
    });
    assert!(result.is_ok());
    assert_eq!((count, bench.open_sequences()), (1, 0));
}

#[test]
fn scores_at_all_thresholds_are_what_each_gives_alone_and_contexts_are_read_once() {
    let mut random = Random(43);
    let thresholds: Vec<Threshold> = (0..=5).map(|t| Threshold::new(f64::from(t) / 5.0).unwrap()).collect();
    let mut different = 0;
    for round in 0..30 {
        let scripts: Vec<Script> = (0..2).map(|_| random_script(&mut random)).collect();
        let bench = |threshold: f64| Bench::gated(&scripts, threshold);
        let context = random_prompt(&mut random);
        let mut requests = ["a", "bca", " éb", "cc c"].map(|choice| scoring(&context, choice)).to_vec();
        requests.retain(|request| bench(0.5).try_score(std::slice::from_ref(request), 1).is_ok());
        let mut together = vec![Vec::new(); thresholds.len()];
        let Bench { scheduler, settings, logs, .. } = &mut bench(0.5);
        let (limits, mut order) = (BatchLimits::batch(4), Vec::new());
        let settings = under(settings, &thresholds);
        log_likelihood_each(scheduler, &settings, &requests, limits, &mut |request, score| {
            let (threshold, score) = score.unwrap();
            order.push((request, threshold));
            together[threshold].push(score);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(order.is_sorted());
        for (threshold, together) in thresholds.iter().zip(&together) {
            assert_eq!(together, &bench(threshold.get()).score(&requests, 4), "round {round}, {threshold:?}");
            different += usize::from(*together != bench(0.0).score(&requests, 4));
        }
        let contexts =
            |log: &common::Log| log.lock().unwrap().iter().flatten().filter(|(_, ids)| ids.len() > 6).count();
        assert!(logs.iter().all(|log| contexts(log) <= 1));
    }
    assert!(different > 20, "thresholds matter: {different}");
}
