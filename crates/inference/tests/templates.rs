//! Chat templates beside what transformers renders: scripts/templates/compare.py recorded it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use gac_inference::{
    ChatError, ChatMessage, ChatTemplate, Conversation, ModelSource, Role, TemplateChoice, Tokenizer, UnixTime,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Head {
    messages: Vec<ChatMessage>,
    tools: Vec<Value>,
    special: BTreeMap<String, String>,
    time: u64,
}

#[derive(Deserialize)]
struct Recorded {
    template: String,
    /// None where transformers refuses.
    text: Option<String>,
}

fn render(text: &str, special: BTreeMap<String, String>, chat: &Conversation, time: u64) -> Result<String, String> {
    let template = ChatTemplate::new(text, special)?;
    template.render(chat, UnixTime(time)).map_err(|error| error.to_string())
}

#[test]
fn a_thousand_expressions_are_rendered_as_transformers_renders_them() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/templates/expressions.jsonl");
    let text = std::fs::read_to_string(fixture).unwrap();
    let mut lines = text.lines();
    let Head { messages, tools, special, time } = serde_json::from_str(lines.next().unwrap()).unwrap();
    let chat = Conversation { messages, tools: Some(tools), ..Conversation::default() };
    let recorded: Vec<Recorded> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(recorded.len() >= 950, "{}", recorded.len());
    let wrong: Vec<String> = recorded
        .iter()
        .filter_map(|Recorded { template, text }| {
            let got = render(template, special.clone(), &chat, time);
            (got.as_ref().ok() != text.as_ref()).then(|| format!("{template:?}: {got:?}, expected {text:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A folder with files, and the chat template in it.
struct Checkpoint(tempfile::TempDir);

impl Checkpoint {
    fn with(files: &[(&str, Value)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, contents) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = contents.as_str().map_or_else(|| contents.to_string(), str::to_owned);
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn source(&self) -> ModelSource {
        ModelSource::Folder(self.0.path().to_owned())
    }

    fn render(&self, choice: Option<&TemplateChoice>, tools: Option<Vec<Value>>) -> Result<String, ChatError> {
        let messages = vec![ChatMessage::new(Role::User, "Hi there")];
        let chat = Conversation { messages, tools, ..Conversation::default() };
        ChatTemplate::load(&self.source(), choice)?.render(&chat, UnixTime(0))
    }
}

const ECHO: &str = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}";

#[test]
fn special_tokens_that_only_their_map_names_are_written() {
    let map = json!({"bos_token": "<|begin|>", "eos_token": {"content": "<|end|>", "lstrip": false}});
    let files = [("special_tokens_map.json", map), ("tokenizer_config.json", json!({"chat_template": ECHO}))];
    assert_eq!(Checkpoint::with(&files).render(None, None).unwrap(), "<|begin|>[user]Hi there<|end|>");
    let config = json!({"chat_template": "{{ image_token }}{{ bos_token }}", "bos_token": "<b>",
                        "extra_special_tokens": {"image_token": "<image>"}});
    assert_eq!(Checkpoint::with(&[("tokenizer_config.json", config)]).render(None, None).unwrap(), "<image><b>");
}

#[test]
fn one_of_several_templates_is_picked_by_name_or_by_file_and_tool_use_by_tools() {
    let several = json!({"chat_template": {"default": "d", "tool_use": "t", "rag": "r"}});
    let checkpoint =
        Checkpoint::with(&[("tokenizer_config.json", several), ("other.jinja", json!("o{{ bos_token }}"))]);
    let named = |name: &str| TemplateChoice::Name(name.to_owned());
    assert_eq!(checkpoint.render(None, None).unwrap(), "d");
    assert_eq!(checkpoint.render(None, Some(vec![json!({})])).unwrap(), "t");
    assert_eq!(checkpoint.render(Some(&named("rag")), Some(vec![json!({})])).unwrap(), "r");
    let file = TemplateChoice::File(checkpoint.0.path().join("other.jinja"));
    assert_eq!(checkpoint.render(Some(&file), None).unwrap(), "o");
    let error = checkpoint.render(Some(&named("chat")), None).unwrap_err();
    assert!(error.to_string().contains("default, tool_use, rag"), "{error}");

    let none = json!({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "rag", "template": "r"}]});
    let checkpoint = Checkpoint::with(&[("tokenizer_config.json", none)]);
    let error = checkpoint.render(None, None).unwrap_err();
    assert!(matches!(&error, ChatError::NoDefault { known, .. } if *known == ["tool_use", "rag"]), "{error:?}");
    assert_eq!(checkpoint.render(Some(&named("rag")), None).unwrap(), "r");
    let error = Checkpoint::with(&[("tokenizer_config.json", json!({}))]).render(None, None).unwrap_err();
    assert!(matches!(error, ChatError::NoTemplate { .. }));
    assert_eq!(Checkpoint::with(&[("chat_template.jinja", json!(""))]).render(None, None).unwrap(), "");
}

#[test]
fn arguments_are_variables_and_later_ones_go_before_earlier_ones() {
    let text = "{{ enable_thinking }}{{ bos_token }}{{ add_generation_prompt }}";
    let template = ChatTemplate::new(text, [("bos_token".to_owned(), "<s>".to_owned())].into()).unwrap();
    let object = |value: Value| -> Map<String, Value> { serde_json::from_value(value).unwrap() };
    let template = template.with_arguments(object(json!({"enable_thinking": true, "add_generation_prompt": false})));
    let template = template.with_arguments(object(json!({"enable_thinking": null, "bos_token": "<t>"})));
    let chat = Conversation::from(vec![ChatMessage::new(Role::User, "x")]);
    assert_eq!(template.render(&chat, UnixTime(0)).unwrap(), "None<t>False");
}

#[test]
fn messages_keep_their_fields_and_their_order_but_for_nulls() {
    let message = json!({"role": "assistant", "z": 1, "content": null, "a": [1.0, {"text": "t"}], "reasoning": "r"});
    let chat = Conversation::from(vec![serde_json::from_value(message).unwrap()]);
    let rendered = render("{{ messages[0] }}", BTreeMap::new(), &chat, 0).unwrap();
    let expected = "{'thinking': 'r', 'role': 'assistant', 'z': 1, 'a': [1.0, {'text': 't'}], 'reasoning': 'r', \
                    'reasoning_content': 'r'}";
    assert_eq!(rendered, expected);
    for (message, expected) in [(json!({"content": "x"}), "without `role`"), (json!({"role": 1}), "not a string")] {
        let error = serde_json::from_value::<ChatMessage>(message).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_refusal_is_in_the_templates_words_and_other_errors_name_the_line() {
    let chat = Conversation::from(vec![ChatMessage::new(Role::User, "x")]);
    let error = |text: &str| render(text, BTreeMap::new(), &chat, 0).unwrap_err();
    assert_eq!(error("{{ raise_exception('No tools!') }}"), "the chat template refuses the messages: No tools!");
    assert!(error("\n{{ messages[0].x.y }}").contains("line 2"), "{}", error("\n{{ messages[0].x.y }}"));
    assert!(error("\n\n{% if %}").contains(":3"), "{}", error("\n\n{% if %}"));
}

#[test]
fn the_end_of_thinking_is_found_in_templates_that_write_it() {
    let of = |text: &str| ChatTemplate::new(text, BTreeMap::new()).unwrap().thinking_end().map(str::to_owned);
    assert_eq!(of("{{ m }}{% set c = 'a'.split('</think>')[-1] %}").as_deref(), Some("</think>"));
    assert_eq!(of("[THINK]{{ 1 }}[/THINK]").as_deref(), Some("[/THINK]"));
    assert_eq!(of("{# </think> #}{{ messages }}"), None);
}

/// A byte-level tokenizer of a few pieces.
fn tokenizer_json() -> Value {
    json!({"version": "1.0", "added_tokens": [],
           "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
           "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
           "model": {"type": "BPE", "vocab": {"<": 0, "e": 1, ">": 2, "x": 3, "<e>": 4}, "merges": [],
                     "unk_token": null, "byte_fallback": false, "fuse_unk": false}})
}

#[test]
fn tokens_declared_beside_the_tokenizer_are_read_as_one_and_end_texts() {
    let ids = |checkpoint: &Checkpoint| {
        let tokenizer = Tokenizer::load(&checkpoint.source(), None).unwrap();
        let ids = tokenizer.encoder().encode_without_special("x<e>").unwrap();
        let ends: Vec<u32> = tokenizer.vocabulary().ends().iter().map(|id| id.0).collect();
        (ids.iter().map(|id| id.0).collect::<Vec<_>>(), ends)
    };
    let file = || ("tokenizer.json", tokenizer_json());
    assert_eq!(ids(&Checkpoint::with(&[file()])), (vec![3, 0, 1, 2], vec![]));
    let map = ("special_tokens_map.json", json!({"eos_token": "<e>"}));
    assert_eq!(ids(&Checkpoint::with(&[file(), map])), (vec![3, 4], vec![4]));
    let decoder = json!({"added_tokens_decoder": {"4": {"content": "<e>", "special": true}}, "eot_token": "<e>"});
    assert_eq!(ids(&Checkpoint::with(&[file(), ("tokenizer_config.json", decoder)])), (vec![3, 4], vec![4]));
    let wrong = json!({"added_tokens_decoder": {"3": {"content": "<new>"}}});
    let checkpoint = Checkpoint::with(&[file(), ("tokenizer_config.json", wrong)]);
    let error = Tokenizer::load(&checkpoint.source(), None).err().unwrap().to_string();
    assert!(error.contains("<new>"), "{error}");
}
