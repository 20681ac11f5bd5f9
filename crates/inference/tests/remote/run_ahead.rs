//! A request asks for several tokens ahead, and serves what follows.

use gac_inference::remote::{RemoteModel, RemoteOptions};
use gac_inference::{Extension, LanguageModel, TokenId, Wanted};
use gac_testserver::{TestEngine, TestServer};

use crate::support::{connect, counting, greedy, options, prompts, serve_counting, start};

#[test]
fn a_path_that_is_followed_takes_far_fewer_requests_than_tokens() {
    let server = serve_counting(TestEngine::Vllm);
    let mut remote = RemoteModel::connect(&options(&[&server])).unwrap();
    let before = server.asked();
    greedy(&mut remote, &prompts(1), 120);
    let asked = server.asked() - before;
    assert!(asked < 30, "{asked} requests for 120 tokens");
}

#[test]
fn without_running_ahead_every_token_is_a_request() {
    let server = serve_counting(TestEngine::Vllm);
    let mut remote = RemoteModel::connect(&RemoteOptions { most_ahead: 1, ..options(&[&server]) }).unwrap();
    let before = server.asked();
    greedy(&mut remote, &prompts(2), 40);
    assert_eq!(server.asked() - before, 2 * 40);
}

#[test]
fn a_text_that_nobody_else_votes_on_takes_a_few_requests_and_then_one() {
    let server = serve_counting(TestEngine::Vllm);
    let mut remote = RemoteModel::connect(&options(&[&server])).unwrap();
    let prompt = prompts(1).remove(0);
    let expected = greedy(&mut counting(), std::slice::from_ref(&prompt), 120).remove(0);
    let mut text = || {
        let before = server.asked();
        let sequence = remote.open(&prompt).unwrap();
        remote.expect_greedy(sequence, prompt.len(), prompt.len() + 120);
        let (mut tokens, mut text) = (prompt.clone(), Vec::new());
        while text.len() < 120 {
            let told = remote.extend(&[Extension { sequence, tokens: &tokens, wanted: Wanted::Last }]).unwrap();
            tokens = vec![told[0][0].top().0];
            text.extend_from_slice(&tokens);
        }
        remote.close(sequence);
        (text, server.asked() - before)
    };
    assert_eq!(text(), (expected.clone(), 4));
    assert_eq!(text(), (expected, 1));
}

#[test]
fn where_the_vote_goes_another_way_each_time_nothing_is_asked_ahead_for_long() {
    let server = serve_counting(TestEngine::Vllm);
    let mut remote = RemoteModel::connect(&options(&[&server])).unwrap();
    let sequence = remote.open(&[]).unwrap();
    let mut tokens = vec![TokenId(40)];
    server.recorded();
    for _ in 0..60 {
        let told = remote.extend(&[Extension { sequence, tokens: &tokens, wanted: Wanted::Last }]).unwrap();
        // The second most probable one, always.
        tokens = vec![told[0][0].most_probable(2, |_| true)[1].0];
    }
    let asked: Vec<u64> = server.recorded().iter().filter_map(|request| request.body["max_tokens"].as_u64()).collect();
    assert_eq!(asked.len(), 60);
    assert!(asked[20..].iter().all(|ahead| *ahead == 1), "{asked:?}");
}

#[test]
fn sequences_of_a_step_are_all_in_flight_over_kept_connections() {
    let server = serve_counting(TestEngine::Vllm);
    server.fail(|_, _| gac_testserver::Fault::Late(std::time::Duration::from_millis(30)));
    let mut remote = RemoteModel::connect(&options(&[&server])).unwrap();
    let prompts = prompts(64);
    let texts = greedy(&mut remote, &prompts, 40);
    assert_eq!(texts, greedy(&mut counting(), &prompts, 40));
    assert_eq!(server.most_in_flight(), 64);
    assert!(server.connections() <= 64 + 2, "{} connections", server.connections());
}

#[test]
fn each_text_keeps_a_slot_of_its_own_where_a_server_has_slots() {
    let server = serve_counting(TestEngine::LlamaCpp);
    let mut remote = connect(&server);
    assert_eq!(remote.limits().sequences, 4);
    let _ = server.recorded();
    let open: Vec<_> = prompts(5).iter().map(|prompt| start(&mut remote, prompt).0).collect();
    let slots = |server: &TestServer| -> Vec<Option<u64>> {
        server.recorded().iter().map(|request| request.body["id_slot"].as_u64()).collect()
    };
    assert_eq!(slots(&server), [Some(0), Some(1), Some(2), Some(3), None], "the fifth goes where there is room");
    remote.close(open[2]);
    start(&mut remote, &prompts(1)[0]);
    assert_eq!(slots(&server), [Some(2)]);
    assert_eq!(connect(&serve_counting(TestEngine::Vllm)).limits().sequences, usize::MAX);
}
