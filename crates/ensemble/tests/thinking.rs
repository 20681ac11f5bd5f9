//! Reasoning in front of an answer: stop strings pass it by, and the generation says where the answer begins.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use common::{Bench, Script, request, stopping};
use gac_ensemble::{Chat, Decoding, Finish, GenerationRequest, Prompt, Sampling, ThinkEnd, ThinkSource, Thinking};
use gac_inference::testkit::tokenizer;
use gac_inference::{ChatMessage, ChatTemplate, Role, UnixTime};

/// Says `hm\n</think>\n4!4!...`, the closing tag in two tokens.
fn reasons() -> Script {
    let pieces = tokenizer(&["q", "hm", "\n", "</", "think>", "4", "!"], &[]);
    let rules: &[(&str, &[(&str, f64)])] = &[
        ("think>", &[("\n", 1.0)]),
        ("think>\n", &[("4", 1.0)]),
        ("hm", &[("\n", 1.0)]),
        ("hm\n", &[("</", 1.0)]),
        ("</", &[("think>", 1.0)]),
        ("4", &[("!", 1.0)]),
        ("!", &[("4", 1.0)]),
        ("", &[("hm", 1.0)]),
    ];
    Script::says(pieces, rules)
}

fn end(source: ThinkSource) -> ThinkEnd {
    ThinkEnd { token: "</think>".to_owned(), source }
}

fn bench(ends: Vec<Option<ThinkEnd>>) -> Bench {
    let mut bench = Bench::every_step(&vec![reasons(); ends.len()]);
    bench.ensemble.set_think_ends(ends).unwrap();
    bench
}

#[test]
fn stop_strings_count_from_where_reasoning_has_ended() {
    let asked = [stopping("q", 20, &["\n", "!"])];
    for ends in [vec![Some(end(ThinkSource::Stated))], vec![None, Some(end(ThinkSource::Stated))]] {
        let generation = bench(ends).generate(&asked, 1).remove(0);
        assert_eq!((generation.text().as_str(), generation.finish), ("hm\n</think>\n4", Finish::Stop));
        assert_eq!(generation.thinking, Some(Thinking::Closed { answer: 12 }));
        assert_eq!(generation.answer(), "4");
    }
    let generation = bench(vec![None]).generate(&asked, 1).remove(0);
    assert_eq!((generation.answer().as_str(), generation.thinking), ("hm", None));
}

#[test]
fn reasoning_that_runs_out_of_tokens_leaves_no_answer() {
    let generation = bench(vec![Some(end(ThinkSource::Stated))]).generate(&[request("q", 3)], 1).remove(0);
    assert_eq!((generation.text().as_str(), generation.thinking), ("hm\n</", Some(Thinking::Unclosed)));
    assert_eq!(generation.answer(), "");
}

#[test]
fn a_template_that_ends_the_reasoning_leaves_all_of_the_response_as_the_answer() {
    let template = |text: &str| ChatTemplate::new(text, BTreeMap::new()).unwrap();
    let generate = |text: &str, source| {
        let mut bench = bench(vec![Some(end(source))]);
        bench.ensemble.set_chat(Some(Chat::new(vec![template(text)], UnixTime(0)))).unwrap();
        let prompt = Prompt::Chat(vec![ChatMessage::new(Role::User, "q")].into());
        let asked = GenerationRequest { prompt, ..stopping("", 20, &["!"]) };
        (bench.ensemble.thinks(), bench.generate(&[asked], 1).remove(0))
    };
    let (thinks, closed) = generate("{{ messages[0].content }}</think>\n", ThinkSource::Stated);
    assert_eq!((thinks, closed.answer().as_str(), closed.thinking), (false, "\n4", None));
    // A template that knows the tag and does not open it: the response would have to.
    let (thinks, found) = generate("{{ messages[0].content }}", ThinkSource::Found);
    assert_eq!((thinks, found.answer().as_str()), (true, "4"));
    assert_eq!(found.thinking, Some(Thinking::Closed { answer: 12 }), "it ends what it never opened");
}

#[test]
fn a_request_may_say_how_its_tokens_are_picked() {
    let pieces = tokenizer(&["q", "a", "b"], &[]);
    let mut bench = Bench::every_step(&[Script::says(pieces, &[("", &[("a", 0.6), ("b", 0.4)])])]);
    let drawn = Decoding::Sampled(Sampling::new(1.0, 1).unwrap());
    let asked = |decoding| GenerationRequest { decoding, ..request("q", 64) };
    let texts: Vec<String> =
        bench.generate(&[asked(None), asked(Some(drawn))], 2).iter().map(gac_ensemble::Generation::text).collect();
    assert_eq!(texts[0], "a".repeat(64));
    assert!(texts[1].contains('a') && texts[1].contains('b'), "{}", texts[1]);
    bench.ensemble.set_decoding(drawn);
    let again: Vec<String> = bench
        .generate(&[asked(Some(Decoding::Greedy)), asked(None)], 1)
        .iter()
        .map(gac_ensemble::Generation::text)
        .collect();
    assert_eq!(again, texts);
}
