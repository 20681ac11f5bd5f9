//! Requests that are encoded before the scheduler takes them in.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Bench, Random, Script, Told, random_prompt, random_script, request, scoring};
use gac_ensemble::{BatchLimits, Gating, PreparedRequest, Weights};

#[test]
fn a_request_that_another_thread_prepared_comes_out_as_one_that_is_submitted() {
    let mut random = Random(7);
    for gating in [Gating::EveryStep, common::gating(0, 0.4)] {
        let scripts: Vec<Script> = (0..2).map(|_| random_script(&mut random)).collect();
        let asked: Vec<_> = (0..5).map(|_| request(&random_prompt(&mut random), 15)).collect();
        let score = scoring("q", "ab");
        let mut bench = Bench::new(&scripts, Weights::uniform(2), gating);
        let settings = Arc::clone(&bench.settings);
        let prepare = || -> Vec<PreparedRequest> {
            let texts = asked.iter().map(|asked| PreparedRequest::new(asked, &settings));
            texts.chain([PreparedRequest::new(&score, &settings)]).collect()
        };
        let prepared = std::thread::scope(|scope| scope.spawn(prepare).join().unwrap());
        let mut submitted: Vec<_> = asked.iter().map(|asked| bench.scheduler.submit(asked, &settings)).collect();
        submitted.push(bench.scheduler.submit(&score, &settings));
        let taken: Vec<_> = prepared.into_iter().map(|request| bench.scheduler.submit_prepared(request)).collect();
        let mut told = Told::default();
        told.run(&mut bench.scheduler, BatchLimits::batch(3));
        for (a, b) in submitted.iter().zip(&taken) {
            let generations = [a, b].map(|id| told.generations.get(&(*id, 0)).map(|it| (&it.bytes, it.finish)));
            assert_eq!(generations[0], generations[1]);
            assert_eq!(told.scores.get(&(*a, 0)), told.scores.get(&(*b, 0)));
            let failures = [a, b].map(|id| told.failures.get(id).map(ToString::to_string));
            assert_eq!(failures[0], failures[1]);
        }
        assert_eq!(told.generations.len() + told.scores.len() + told.failures.len(), 12);
        assert!(told.generations.len() >= 10);
    }
}
