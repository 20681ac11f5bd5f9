//! Servers that fail: what comes out is what an undisturbed one gives.

use std::time::{Duration, Instant};

use gac_inference::remote::{RemoteModel, RemoteOptions};
use gac_inference::{Extension, LanguageModel, ModelError, TokenId, Wanted};
use gac_testserver::{Fault, TestEngine};

use crate::support::{connect, counting, greedy, options, prompts, serve_counting, start};

const STEPS: usize = 24;

/// Eight texts with every `nth` request failing; whether they are as expected.
fn disturbed(nth: usize, fault: &Fault) {
    for engine in [TestEngine::Vllm, TestEngine::Sglang, TestEngine::LlamaCpp] {
        let server = serve_counting(engine);
        let mut remote = RemoteModel::connect(&RemoteOptions {
            most_ahead: 3,
            timeout: Duration::from_millis(1500),
            ..options(&[&server])
        })
        .unwrap();
        let fault = fault.clone();
        server.fail(move |number, _| if number % nth == 2 { fault.clone() } else { Fault::None });
        let expected = greedy(&mut counting(), &prompts(8), STEPS);
        assert_eq!(greedy(&mut remote, &prompts(8), STEPS), expected, "{engine:?}");
    }
}

#[test]
fn connections_that_are_cut_change_nothing() {
    disturbed(5, &Fault::Cut);
    disturbed(7, &Fault::CutAmid);
}

#[test]
fn answers_that_were_changed_on_the_way_are_asked_for_again() {
    disturbed(6, &Fault::Garbled);
}

#[test]
fn lists_that_are_too_short_are_asked_for_again() {
    let server = serve_counting(TestEngine::Vllm);
    let mut remote = connect(&server);
    server.fail(|number, _| if number % 4 == 1 { Fault::ShortLists } else { Fault::None });
    assert_eq!(greedy(&mut remote, &prompts(8), STEPS), greedy(&mut counting(), &prompts(8), STEPS));
}

#[test]
fn a_server_that_is_busy_is_asked_again_after_the_time_that_it_says() {
    let server = serve_counting(TestEngine::Vllm);
    let mut remote = connect(&server);
    let first = server.asked();
    server.fail(move |number, _| if number == first { Fault::Status(503, Some("1")) } else { Fault::None });
    let since = Instant::now();
    assert_eq!(greedy(&mut remote, &prompts(1), 3), greedy(&mut counting(), &prompts(1), 3));
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
    disturbed(5, &Fault::Status(429, None));
}

#[test]
fn a_server_that_fails_now_and_then_is_asked_again() {
    disturbed(6, &Fault::Status(500, None));
}

#[test]
fn a_server_that_stalls_is_not_waited_for_longer_than_the_timeout() {
    disturbed(60, &Fault::Late(Duration::from_secs(4)));
}

#[test]
fn a_replica_that_dies_is_left_and_taken_back() {
    let (mut a, b) = (serve_counting(TestEngine::Vllm), serve_counting(TestEngine::Vllm));
    let both = RemoteOptions { most_ahead: 1, ..options(&[&a, &b]) };
    let mut remote = RemoteModel::connect(&both).unwrap();
    let expected = greedy(&mut counting(), &prompts(10), 8);
    assert_eq!(greedy(&mut remote, &prompts(10), 8), expected);
    let shares = [a.asked(), b.asked()];
    assert!(shares[0].abs_diff(shares[1]) < 10, "{shares:?}");

    // It dies between two steps of running sequences.
    let sequences: Vec<_> = prompts(10).iter().map(|prompt| start(&mut remote, prompt).0).collect();
    a.stop();
    let step = |remote: &mut RemoteModel, token: TokenId| {
        let tokens = [token];
        let batch: Vec<Extension<'_>> =
            sequences.iter().map(|&sequence| Extension { sequence, tokens: &tokens, wanted: Wanted::Last }).collect();
        remote.extend(&batch).unwrap()
    };
    let before = b.asked();
    assert_eq!(step(&mut remote, TokenId(30)).len(), 10);
    assert_eq!(b.asked() - before, 10);
    a.go_on();
    std::thread::sleep(Duration::from_secs(1));
    let new: Vec<_> = prompts(6).iter().map(|prompt| start(&mut remote, prompt)).collect();
    let before = a.asked();
    step(&mut remote, TokenId(31));
    assert_eq!(new.len(), 6);
    let again = greedy(&mut remote, &prompts(10), 8);
    assert_eq!(again, expected);
    assert!(a.asked() > before, "nobody came back to it");
}

#[test]
fn with_no_server_at_all_the_model_fails_and_goes_on_when_one_is_back() {
    let mut server = serve_counting(TestEngine::Vllm);
    let mut remote =
        RemoteModel::connect(&RemoteOptions { patience: Duration::from_millis(600), ..options(&[&server]) }).unwrap();
    let (sequence, first) = start(&mut remote, &prompts(1)[0]);
    server.stop();
    let tokens = [TokenId(77), TokenId(78)];
    let batch = [Extension { sequence, tokens: &tokens, wanted: Wanted::Last }];
    let error = remote.extend(&batch).unwrap_err();
    assert!(matches!(&error, ModelError::Server(reason) if reason.contains(&server.url())), "{error}");
    assert_eq!(remote.length(sequence), prompts(1)[0].len(), "as it was");
    server.go_on();
    std::thread::sleep(Duration::from_millis(500));
    let told = remote.extend(&batch).unwrap();
    let mut all = prompts(1)[0].clone();
    all.extend(tokens);
    let (_, expected) = start(&mut counting(), &all);
    assert_eq!(told[0][0].top().0, expected.top().0);
    assert!(first.top().1 > 0.0);
}

#[test]
fn a_server_that_was_replaced_by_another_models_is_not_taken_back() {
    let mut server = serve_counting(TestEngine::Vllm);
    let mut remote =
        RemoteModel::connect(&RemoteOptions { patience: Duration::from_millis(900), ..options(&[&server]) }).unwrap();
    let url = server.url();
    server.stop();
    drop(server);
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let other = gac_testserver::ServerSetup { name: "other".into(), ..gac_testserver::ServerSetup::default() };
    let _other = gac_testserver::TestServer::at(
        port,
        TestEngine::Vllm,
        Box::new(counting()),
        crate::support::tokenizer(),
        other,
    );
    let sequence = remote.open(&[]).unwrap();
    let batch = [Extension { sequence, tokens: &[TokenId(40)], wanted: Wanted::Last }];
    // A model that is not there is a refusal of the request, and after that the server is looked at anew.
    assert!(remote.extend(&batch).is_err());
}

#[test]
fn a_request_that_always_fails_is_an_error_of_its_sequence_alone() {
    for (fault, quick) in [(Fault::Status(400, None), true), (Fault::Status(500, None), false), (Fault::Cut, false)] {
        let server = serve_counting(TestEngine::Vllm);
        let mut remote = connect(&server);
        let bad = 99_u64;
        server.fail(move |_, body| {
            let prompt = body["prompt"].as_array();
            if prompt.is_some_and(|ids| ids.iter().any(|id| *id == bad)) { fault.clone() } else { Fault::None }
        });
        let sequences: Vec<_> = (0..4).map(|_| remote.open(&[]).unwrap()).collect();
        let tokens: Vec<[TokenId; 2]> =
            (0..4).map(|at| [TokenId(40), TokenId(if at == 2 { 99 } else { 50 + at })]).collect();
        let batch: Vec<Extension<'_>> = sequences
            .iter()
            .zip(&tokens)
            .map(|(&sequence, tokens)| Extension { sequence, tokens, wanted: Wanted::Last })
            .collect();
        let since = Instant::now();
        match remote.extend(&batch) {
            Err(ModelError::Request { sequence, reason }) => {
                assert_eq!(sequence, sequences[2]);
                assert!(!reason.is_empty());
            }
            other => panic!("{other:?}"),
        }
        assert!(!quick || since.elapsed() < Duration::from_millis(500), "a refusal is not repeated");
        assert!(sequences.iter().all(|&sequence| remote.length(sequence) == 0));
        // The others go on without it.
        let others: Vec<Extension<'_>> = batch.iter().copied().filter(|e| e.sequence != sequences[2]).collect();
        assert_eq!(remote.extend(&others).unwrap().len(), 3);
    }
}
