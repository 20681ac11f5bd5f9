//! Prompts as chats: each member reads its own template's text, with no special token doubled.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::{Bench, Script, request, scoring};
use gac_ensemble::{BatchLimits, Chat, EnsembleError, GenerationRequest, LogLikelihoodRequest, Prompt};
use gac_inference::testkit::{LongestMatch, tokenizer};
use gac_inference::{
    ChatMessage, ChatTemplate, Conversation, ModelSource, RefusedSystem, Role, TextEncoder, TokenId, Tokenizer,
    TokenizerError, UnixTime,
};
use gac_needs::{folder, needs};

const PIECES: [&str; 9] = ["[", "]", "q", "x", "a", ":", "s", "!", "\n"];

fn script() -> Script {
    Script::says(tokenizer(&PIECES, &[]), &[("", &[("x", 0.9)])])
}

/// A chat of messages that end with the user's.
fn chat(turns: &[ChatMessage], last: &str) -> Prompt {
    Prompt::Chat([turns, &[ChatMessage::new(Role::User, last)]].concat().into())
}

fn asking(turns: &[ChatMessage], last: &str) -> GenerationRequest {
    GenerationRequest { prompt: chat(turns, last), ..request("", 1) }
}

fn choosing(turns: &[ChatMessage], last: &str, continuation: &str) -> LogLikelihoodRequest {
    LogLikelihoodRequest { context: chat(turns, last), ..scoring("", continuation) }
}

fn template(text: &str) -> ChatTemplate {
    ChatTemplate::new(text, std::collections::BTreeMap::new()).unwrap()
}

fn chatting() -> Bench {
    let mut bench = Bench::every_step(&[script(), script()]);
    let templates = vec![
        template("{% for m in messages %}[{{ m.content }}]{% endfor %}"),
        template("{% for m in messages %}{{ m.role[0] | replace('u', 'q') }}:{{ m.content }}\n{% endfor %}a:"),
    ];
    bench.ensemble.set_chat(Some(Chat::new(templates, UnixTime(0)))).unwrap();
    bench
}

fn read(bench: &Bench, member: usize) -> String {
    let log = bench.logs[member].lock().unwrap();
    let ids = &log.last().unwrap()[0].1;
    ids.iter().map(|id| PIECES[id.index()]).collect()
}

#[test]
fn each_member_reads_its_own_template() {
    let mut bench = chatting();
    assert_eq!(bench.generate(&[asking(&[], "q")], 1)[0].text(), "x");
    assert_eq!(read(&bench, 0), "[q]");
    assert_eq!(read(&bench, 1), "q:q\na:");
    let turns = [(Role::System, "s"), (Role::User, "x"), (Role::Assistant, "!")]
        .map(|(role, text)| ChatMessage::new(role, text));
    let mut bench = chatting();
    bench.generate(&[asking(&turns, "q")], 1);
    assert_eq!(read(&bench, 0), "[s][x][!][q]");
    assert_eq!(read(&bench, 1), "s:s\nq:x\na:!\nq:q\na:");
    let mut plain = Bench::every_step(&[script()]);
    let error = plain.try_generate(&[request("q", 1), asking(&turns, "q")], 1).unwrap_err();
    assert!(matches!(error, EnsembleError::ChatWithoutTemplates { request: 1 }), "{error:?}");
    let mut bench = chatting();
    bench.generate(&[request("q", 1)], 1);
    assert_eq!(read(&bench, 0), "q", "a text stays one, whatever members know of chats");
}

#[test]
fn a_choice_follows_where_the_answer_begins() {
    let mut bench = chatting();
    let turns = [ChatMessage::new(Role::User, "s")];
    let choice = |text| choosing(&turns, "q", text);
    let score = bench.score(&[choice("x"), choice("!")], 2);
    assert_eq!(score[0].tokens.len(), 1, "all that the templates write is context");
    assert!(score[0].greedy && !score[1].greedy, "{score:?}");
    assert_eq!(read(&bench, 1), "s:s\nq:q\na:".replacen('s', "q", 1));
    let error = Bench::every_step(&[script()]).ensemble.log_likelihood(
        &[scoring("q", "x"), choice("x")],
        BatchLimits { max_samples: 1 },
        &mut |_, _| ControlFlow::Continue(()),
    );
    assert!(matches!(error, Err(EnsembleError::ChatWithoutTemplates { request: 1 })), "{error:?}");
}

#[test]
fn white_space_that_all_templates_end_with_is_scored_with_the_answer() {
    let mut bench = Bench::every_step(&[script(), script()]);
    let both = ["[{{ messages[0].content ~ ']\\n' }}", "{{ messages[0].content ~ 'a:\\n' }}"].map(template).into();
    bench.ensemble.set_chat(Some(Chat::new(both, UnixTime(0)))).unwrap();
    assert_eq!(bench.score(&[choosing(&[], "q", "x")], 1)[0].tokens.len(), 2, "the line break and the answer");
    assert_eq!(read(&bench, 1), "\n");
}

#[test]
fn a_chat_without_begin_of_text_gets_the_tokenizers_and_one_with_it_no_second() {
    let read = |text| {
        let script = Script { tokenizer: Arc::new(beginning()), ..Script::new(beginning(), |_| Vec::new()) };
        let mut bench = Bench::every_step(&[script]);
        bench.ensemble.set_chat(Some(Chat::new(vec![template(text)], UnixTime(0)))).unwrap();
        bench.generate(&[asking(&[], "q")], 1);
        bench.logs[0].lock().unwrap()[0][0].1.clone()
    };
    assert_eq!(read("{{ messages[0].content }}"), [TokenId(0), TokenId(1)]);
    assert_eq!(read("<s>{{ messages[0].content }}"), [TokenId(0), TokenId(1)]);
}

#[test]
fn a_prompt_that_begins_with_begin_of_text_gets_no_second_one() {
    let script = || Script { tokenizer: Arc::new(beginning()), ..Script::new(beginning(), |_| Vec::new()) };
    let mut bench = Bench::every_step(&[script(), script()]);
    bench.generate(&[request("<s>q", 1), request("q", 1)], 1);
    for log in &bench.logs {
        let read: Vec<_> = log.lock().unwrap().iter().map(|call| call[0].1.clone()).collect();
        assert!(read.iter().all(|ids| *ids == [TokenId(0), TokenId(1)]), "{read:?}");
    }
    let mut bench = Bench::every_step(&[script()]);
    let scores = bench.score(&[scoring("<s>q", "x"), scoring("q", "x")], 2);
    assert_eq!((scores[0].tokens.len(), scores[0].sum), (1, scores[1].sum));
    for call in bench.logs[0].lock().unwrap().iter() {
        assert!(call.iter().all(|(_, ids)| *ids == [TokenId(0), TokenId(1)]), "{call:?}");
    }
}

/// A tokenizer that begins texts with `<s>`, and reads one that is written out.
fn beginning() -> Tokenizer {
    struct Beginning(LongestMatch);
    impl TextEncoder for Beginning {
        fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            Ok([vec![TokenId(0)], self.encode_without_special(text)?].concat())
        }

        fn encode_without_special(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            match text.strip_prefix("<s>") {
                Some(rest) => self.encode(rest),
                None => self.encode_inner(text),
            }
        }

        fn encode_inner(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            self.0.encode_inner(text)
        }
    }
    let vocabulary = tokenizer(&["<s>", "q", "x"], &[]).vocabulary().clone();
    Tokenizer::new(vocabulary.clone(), Beginning(LongestMatch { vocabulary }))
}

#[test]
fn a_template_that_refuses_is_named_with_the_request() {
    let mut bench = Bench::every_step(&[script()]);
    let chat = Chat::new(vec![template("{{ raise_exception('no') }}")], UnixTime(0));
    bench.ensemble.set_chat(Some(chat)).unwrap();
    let error = bench.try_generate(&[asking(&[], "q")], 1).unwrap_err();
    assert!(matches!(&error, EnsembleError::Chat { request: 0, member, .. } if member == "m0"), "{error:?}");
    let error = bench.ensemble.set_chat(Some(Chat::new(vec![], UnixTime(0)))).unwrap_err();
    assert!(matches!(error, EnsembleError::TemplateCount { templates: 0, members: 1 }));
}

#[needs(shared)]
#[test]
fn real_templates_write_every_message_once_and_begin_the_text_once() {
    let folder = folder!(shared).join("tokenizers");
    let messages = [
        (Role::System, "Answer with a number."),
        (Role::User, "What is two plus two?"),
        (Role::Assistant, "4"),
        (Role::User, "And three more?"),
    ];
    let of_all = messages.map(|(role, text)| ChatMessage::new(role, text)).to_vec();
    let chat = Conversation { refused_system: RefusedSystem::JoinUser, ..of_all.into() };
    let begins = [
        ("llama-3.2-3b-instruct", 1),
        ("qwen2.5-7b-instruct", 0),
        ("mistral-7b-instruct-v0.2", 1),
        ("phi-3-mini-4k-instruct", 0),
    ];
    for (name, expected) in begins {
        let source = ModelSource::Folder(folder.join(name));
        let template = ChatTemplate::load(&source, None).unwrap();
        let text = template.render(&chat, UnixTime(1_709_210_096)).unwrap();
        let mut at = 0;
        for (role, said) in messages {
            if name.starts_with("phi") && role == Role::System {
                continue;
            }
            let found = text[at..].find(said);
            at += found.unwrap_or_else(|| panic!("{name}: no {said:?} after byte {at} of {text:?}"));
        }
        assert_eq!(text.matches("And three more?").count(), 1, "{name}");
        let tokenizer = Tokenizer::load(&source, None).unwrap();
        let ids = tokenizer.encoder().encode_without_special(&text).unwrap();
        let begin = tokenizer.encoder().encode("").unwrap().first().copied();
        let count = |begin: TokenId| ids.iter().filter(|&&id| id == begin).count();
        let found = begin.filter(|begin| !tokenizer.vocabulary().is_end(*begin)).map_or(0, count);
        assert_eq!(found, expected, "{name}: {ids:?}");
        assert!(name != "llama-3.2-3b-instruct" || text.contains("29 Feb 2024"), "the date is the one given");
    }
}
