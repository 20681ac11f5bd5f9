//! How much of prompts a step reads, and whom that lets wait.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::steps::{settings, sizes, xs};
use common::{Script, Told, request, scoring, watched};
use gac_ensemble::{
    AnyRequest, BatchLimits, Gating, LogLikelihoodRequest, MemberId, Scheduler, SchedulerEvent, Weighting,
};
use gac_inference::testkit::tokenizer;

#[test]
fn while_a_stream_runs_no_step_reads_more_than_a_chunk_and_the_stream_goes_on() {
    const CHUNK: usize = 64;
    // The gate is unsure of everything, so supporters read long prompts too; they come to that at their first key token.
    let gate = Script::says(tokenizer(&["q", "x"], &[]), &[("", &[("x", 0.6)])]);
    let scripts = [gate, xs()].map(|script| script.with(|limits| limits.context = 20_000));
    let (members, logs, _) = watched(&scripts, usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let systems = [
        settings(&mut scheduler, &[0], Gating::EveryStep),
        settings(&mut scheduler, &[0, 1], Gating::EveryStep),
        settings(&mut scheduler, &[0, 1], common::gating(0, 0.9)),
        settings(&mut scheduler, &[1, 0], Gating::Safe { drafter: MemberId(0) }),
        settings(&mut scheduler, &[1], Gating::EveryStep)
            .with_weighting(Weighting::PromptPerplexity { temperature: 1.0 })
            .unwrap(),
    ];
    let limits = BatchLimits { max_samples: 16, chunk: CHUNK };
    let streaming = Arc::new(settings(&mut scheduler, &[0, 1], common::gating(0, 0.9)));
    for (at, system) in systems.into_iter().map(Arc::new).enumerate() {
        let stream = scheduler.submit(&request("q", 400), &streaming);
        scheduler.step(limits).unwrap();
        for log in &logs {
            log.lock().unwrap().clear();
        }
        let long = scheduler.submit(&request(&"q".repeat(1000), 3), &system);
        let scored = scheduler.submit(&scoring(&"q".repeat(900), "xxx"), &system);
        let mut steps = 0;
        let mut told = Told::default();
        while !(told.generations.contains_key(&(long, 0)) && told.scores.contains_key(&(scored, 0))) {
            let events = scheduler.step(limits).unwrap();
            let emitted =
                |event: &&SchedulerEvent| matches!(event, SchedulerEvent::Token { request, .. } if *request == stream);
            assert_eq!(events.iter().filter(emitted).count(), 1, "system {at}: the stream goes on");
            told.add(events);
            steps += 1;
        }
        let most = logs.iter().flat_map(sizes).map(|batch| batch.iter().sum::<usize>()).max().unwrap();
        println!("system {at}: {steps} steps, at most {most} tokens in one forward");
        assert!(most <= CHUNK + 3 * 16 && steps >= 1900 / CHUNK, "system {at}: {most} tokens, {steps} steps");
        assert!(scheduler.cancel(stream));
    }
}

#[test]
fn a_short_prompt_does_not_wait_for_a_long_one_to_be_read() {
    let (members, logs, _) = watched(&[xs().with(|limits| limits.context = 20_000)], usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let alone = Arc::new(settings(&mut scheduler, &[0], Gating::EveryStep));
    let limits = BatchLimits { max_samples: 8, chunk: 64 };
    scheduler.submit(&request("q", 400), &alone);
    scheduler.step(limits).unwrap();
    let long = scheduler.submit(&request(&"q".repeat(4000), 1), &alone);
    scheduler.step(limits).unwrap();
    let short = scheduler.submit(&request(&"q".repeat(60), 1), &alone);
    let mut told = Told::default();
    for _ in 0..3 {
        told.add(scheduler.step(limits).unwrap());
        assert!(scheduler.texts_read() <= 64, "{}", scheduler.texts_read());
    }
    assert!(told.generations.contains_key(&(short, 0)) && !told.generations.contains_key(&(long, 0)));
    // Half of what is read is still the long one's.
    assert_eq!(sizes(&logs[0])[2], [1, 32, 32]);
}

#[test]
fn for_prompts_of_a_few_tokens_a_long_one_reads_less() {
    let (members, logs, _) = watched(&[xs().with(|limits| limits.context = 20_000)], usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let alone = Arc::new(settings(&mut scheduler, &[0], Gating::EveryStep));
    let limits = BatchLimits { max_samples: 8, chunk: 20 };
    scheduler.submit(&request("q", 400), &alone);
    scheduler.step(limits).unwrap();
    scheduler.submit(&request(&"q".repeat(4000), 1), &alone);
    scheduler.step(limits).unwrap();
    let mut told = Told::default();
    let short: Vec<_> = [16, 12].map(|length| scheduler.submit(&request(&"q".repeat(length), 1), &alone)).into();
    told.add(scheduler.step(BatchLimits { chunk: 0, ..limits }).unwrap());
    assert_eq!(scheduler.texts_read(), 0);
    for _ in 0..2 {
        told.add(scheduler.step(limits).unwrap());
    }
    assert!(short.iter().all(|&request| told.generations.contains_key(&(request, 0))));
    assert_eq!(sizes(&logs[0])[1..], [vec![1, 20], vec![1], vec![1, 5, 16, 4], vec![1, 12, 8]]);
}

#[test]
fn with_nobody_waiting_for_a_token_prompts_are_read_in_large_forwards() {
    let (members, logs, _) = watched(&[xs().with(|limits| limits.context = 20_000)], usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let alone = Arc::new(settings(&mut scheduler, &[0], Gating::EveryStep));
    let prompts = [1500, 1500, 10].map(|length| request(&"q".repeat(length), 2));
    let submit = |scheduler: &mut Scheduler| {
        let all: Vec<AnyRequest<'_>> = prompts.iter().map(AnyRequest::from).collect();
        scheduler.submit_all(&all, &alone);
    };
    submit(&mut scheduler);
    Told::default().run(&mut scheduler, BatchLimits::streams(8));
    assert_eq!(sizes(&logs[0])[0], [1500, 538, 10]);
    // Where only the end matters, all at once.
    logs[0].lock().unwrap().clear();
    submit(&mut scheduler);
    Told::default().run(&mut scheduler, BatchLimits::batch(8));
    assert_eq!(sizes(&logs[0]), [vec![1500, 1500, 10], vec![1, 1, 1]]);
}

#[test]
fn a_context_is_read_once_for_continuations_that_follow_each_other_over_many_steps() {
    let (members, logs, _) = watched(&[xs(), xs()], usize::MAX);
    let mut scheduler = Scheduler::new(members);
    let every = Arc::new(settings(&mut scheduler, &[0, 1], Gating::EveryStep));
    let asked: Vec<LogLikelihoodRequest> =
        (0..40).map(|n| scoring("qqqqqqqq", &"xy".repeat(1 + n % 3))).chain([scoring("yy", "xx")]).collect();
    let all: Vec<AnyRequest<'_>> = asked.iter().map(AnyRequest::from).collect();
    scheduler.submit_all(&all, &every);
    let mut told = Told::default();
    told.run(&mut scheduler, BatchLimits::batch(4));
    assert_eq!(told.scores.len(), 41);
    for log in &logs {
        let contexts = sizes(log).iter().flatten().filter(|&&tokens| tokens == 8).count();
        assert_eq!(contexts, 1, "{:?}", sizes(log));
    }
}
