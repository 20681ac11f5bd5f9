//! Members on different devices compute at the same time, those on one device one after the other, and nothing else
//! depends on where they are.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::{Bench, Random, Script, random_prompt, random_script, request, scoring};
use gac_ensemble::{
    BatchLimits, EnsembleError, Gating, Member, Scheduler, Settings, Weighting, Weights, log_likelihood,
};
use gac_inference::ModelError;
use gac_inference::testkit::{Before, tokenizer};

/// Where members meet: nobody leaves before all are there.
struct Meeting {
    members: usize,
    /// Members that wait, and how many meetings there have been.
    state: Mutex<(usize, usize)>,
    complete: Condvar,
}

impl Meeting {
    fn new(members: usize) -> Arc<Self> {
        Arc::new(Self { members, state: Mutex::new((0, 0)), complete: Condvar::new() })
    }

    fn attend(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        if state.0 == self.members {
            *state = (0, state.1 + 1);
            self.complete.notify_all();
            return;
        }
        let meeting = state.1;
        let patience = Duration::from_secs(20);
        let waited = self.complete.wait_timeout_while(state, patience, |state| state.1 == meeting).unwrap().1;
        assert!(!waited.timed_out(), "a member computed alone");
    }

    fn held(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

fn xs() -> Script {
    Script::says(tokenizer(&["q", "x", "y"], &[]), &[("", &[("x", 0.6), ("y", 0.3)])])
}

/// Members on `devices` that say the same; member `m` does `before(m)` before each forward.
fn ensemble<F>(devices: &[&str], before: impl Fn(usize) -> F) -> (Scheduler, Arc<Settings>)
where
    F: FnMut() -> Result<(), ModelError> + Send + 'static,
{
    let members = devices.iter().enumerate().map(|(index, devices)| {
        let script = xs().on(devices);
        let mut before = before(index);
        let model = Box::new(Before::each(Box::new(script.model()), move |_, _| before()));
        Member { name: format!("m{index}"), model, tokenizer: script.tokenizer }
    });
    let weights = Weights::uniform(devices.len());
    let (scheduler, settings) = common::ensemble(members.collect(), weights, Gating::EveryStep).unwrap();
    (scheduler, Arc::new(settings))
}

fn generate((scheduler, settings): &mut (Scheduler, Arc<Settings>)) -> Result<Vec<String>, EnsembleError> {
    let mut texts = Vec::new();
    let requests = [request("q", 4), request("qq", 4)];
    gac_ensemble::generate(scheduler, settings, &requests, BatchLimits::batch(2), &mut |_, generation| {
        texts.push(generation.text());
        ControlFlow::Continue(())
    })?;
    Ok(texts)
}

#[test]
fn members_on_different_devices_are_in_their_forwards_at_the_same_time() {
    let meeting = Meeting::new(2);
    let mut ensemble = ensemble(&["cuda:0,cuda:1", "cuda:2"], |_| {
        let meeting = Arc::clone(&meeting);
        move || {
            meeting.attend();
            Ok(())
        }
    });
    assert_eq!(generate(&mut ensemble).unwrap(), ["xxxx", "xxxx"]);
    assert_eq!(meeting.held(), 4);

    // Scoring, where contexts are read before their continuations.
    let requests = [scoring("qxq", "xy"), scoring("qxq", "yx")];
    let mut sums = Vec::new();
    let mut score = |(scheduler, settings): &mut (Scheduler, Arc<Settings>)| {
        log_likelihood(scheduler, settings, &requests, BatchLimits::batch(2), &mut |_, score| {
            sums.push(score.sum);
            ControlFlow::Continue(())
        })
    };
    score(&mut ensemble).unwrap();
    let held = meeting.held();
    assert!(held >= 6, "{held}");

    // And the perplexities that weights follow from.
    let weighting = Weighting::PromptPerplexity { temperature: 1.0 };
    ensemble.1 = Arc::new((*ensemble.1).clone().with_weighting(weighting).unwrap());
    score(&mut ensemble).unwrap();
    assert!(sums.iter().all(|sum| (sum - (0.6_f64 * 0.3).ln()).abs() < 1e-6), "{sums:?}");
    assert!(meeting.held() > 2 * held - 4);
}

#[test]
fn members_on_one_device_compute_one_after_the_other_in_order() {
    let (inside, order) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    for devices in [["cpu", "cpu"], ["cuda:0,cuda:1", "cuda:1,cuda:2"]] {
        let mut ensemble = ensemble(&devices, |member| {
            let (inside, order) = (Arc::clone(&inside), Arc::clone(&order));
            move || {
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                std::thread::sleep(Duration::from_millis(2));
                order.lock().unwrap().push(member);
                inside.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        });
        assert_eq!(generate(&mut ensemble).unwrap(), ["xxxx", "xxxx"]);
        assert_eq!(std::mem::take(&mut *order.lock().unwrap()), [0, 1].repeat(4));
    }
}

#[test]
fn of_members_that_fail_together_the_first_is_named() {
    let mut ensemble = ensemble(&["cuda:0", "cuda:1", "cuda:2"], |member| {
        move || {
            // The later one is done first.
            std::thread::sleep(Duration::from_millis(if member == 1 { 40 } else { 0 }));
            if member == 0 { Ok(()) } else { Err(ModelError::Backend(format!("member {member} is broken"))) }
        }
    });
    let error = generate(&mut ensemble).unwrap_err();
    assert!(matches!(&error, EnsembleError::Model { member, .. } if member == "m1"), "{error}");
}

#[test]
fn nothing_depends_on_where_members_are() {
    let mut random = Random(77);
    for round in 0..20 {
        let near: Vec<Script> = (0..3).map(|_| random_script(&mut random)).collect();
        let requests: Vec<_> = (0..5).map(|_| request(&random_prompt(&mut random), 10)).collect();
        let mut choices: Vec<_> = requests
            .iter()
            .flat_map(|request| ["a", " cb", "é b"].map(|choice| scoring(&request.prompt.last_words(), choice)))
            .collect();
        let gating = [Gating::EveryStep, common::gating(1, 0.4)][round % 2];
        let bench = |scripts: &[Script]| Bench::new(scripts, Weights::uniform(3), gating);
        // Some tokenizers leave nothing of a choice: its beginning and the context's end are one piece.
        choices.retain(|choice| bench(&near).try_score(std::slice::from_ref(choice), 1).is_ok());
        assert!(choices.len() > 5, "{}", choices.len());
        let expected = bench(&near).generate(&requests, 5);
        // Room for one of them at a time, or for all.
        let longest = |member: usize| {
            let held =
                expected.iter().zip(&requests).map(|(g, r)| g.member_tokens[member] + r.prompt.last_words().len());
            held.max().unwrap() + 1
        };
        for devices in [["cuda:0", "cuda:1", "cuda:2"], ["cuda:0", "cpu", "cpu"]] {
            for tight in [false, true] {
                let far: Vec<Script> = near
                    .iter()
                    .zip(devices)
                    .enumerate()
                    .map(|(member, (script, devices))| {
                        let cache = if tight { longest(member) } else { 1 << 20 };
                        script.with(|limits| limits.cache = cache).on(devices)
                    })
                    .collect();
                let generations = bench(&far).generate(&requests, 5);
                for (given, expected) in generations.iter().zip(&expected) {
                    assert_eq!((&given.bytes, &given.steps), (&expected.bytes, &expected.steps));
                }
            }
            let far: Vec<Script> = near.iter().zip(devices).map(|(script, devices)| script.on(devices)).collect();
            assert_eq!(bench(&far).score(&choices, 4), bench(&near).score(&choices, 4));
        }
    }
}
