//! `/v1/chat/completions`, as clients use it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serde_json::{Value, json};
use support::Fixture;

#[allow(clippy::needless_pass_by_value, reason = "values are made where they are used")]
fn asking(model: &str, content: Value) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": content }], "max_tokens": 8 })
}

fn ask(server: &Fixture, body: &Value) -> Value {
    let reply = server.post("/v1/chat/completions", body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn a_chat_is_written_down_by_each_members_template() {
    let server = Fixture::new();
    let answer = ask(&server, &asking("both", json!("q")));
    assert_eq!(answer["choices"][0]["message"], json!({ "role": "assistant", "content": "abc\u{e9}" }));
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5 }));
    let parts = json!([{ "type": "text", "text": "qa" }, { "type": "text", "text": "b" }]);
    // Parts are lines of one text, and the models know no line breaks.
    assert_eq!(server.post("/v1/chat/completions", &asking("both", parts)).status, 400);
    let parts = json!([{ "type": "text", "text": "qab" }]);
    assert_eq!(ask(&server, &asking("both", parts))["choices"][0]["message"]["content"], "c\u{e9}");
    let mut told = asking("both", json!("q"));
    told["chat_template_kwargs"] = json!({ "more": "ab" });
    assert_eq!(ask(&server, &told)["choices"][0]["message"]["content"], "c\u{e9}");
    server.stop();
}

#[test]
fn log_probabilities_of_the_content_come_with_bytes() {
    let server = Fixture::new();
    let mut body = asking("both", json!("q"));
    body["logprobs"] = json!(true);
    body["top_logprobs"] = json!(2);
    let content = &ask(&server, &body)["choices"][0]["logprobs"]["content"];
    let tokens: Vec<&Value> = content.as_array().unwrap().iter().map(|token| &token["token"]).collect();
    assert_eq!(tokens, ["ab", "c", "\u{e9}"], "the end is no content");
    assert_eq!(content[2]["bytes"], json!([0xc3, 0xa9]));
    assert_eq!(content[0]["top_logprobs"][1]["token"], "c");
    body["logprobs"] = json!(false);
    assert_eq!(server.refused("/v1/chat/completions", &body), (400, json!("top_logprobs")));
    server.stop();
}

#[test]
fn a_stream_begins_with_a_role_and_ends_with_a_reason() {
    let server = Fixture::new();
    let mut body = asking("gated", json!("q"));
    body["stream"] = json!(true);
    body["gac"] = json!({ "trace": true });
    let events = server.post("/v1/chat/completions", &body).events();
    assert_eq!(events[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let deltas = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<String>(), "abc\u{e9}");
    let last = &events[events.len() - 1]["choices"][0];
    assert_eq!((&last["delta"], &last["finish_reason"]), (&json!({}), &json!("stop")));
    let steps: Vec<&Value> = events.iter().filter_map(|event| event["choices"][0]["gac"]["steps"].get(0)).collect();
    assert_eq!(steps.iter().map(|step| step["text"].as_str().unwrap()).collect::<Vec<_>>(), ["ab", "c", "\u{e9}", ""]);
    server.stop();
}

#[test]
fn messages_that_are_none_are_refused_by_their_place() {
    let server = Fixture::new();
    let refused =
        |messages: Value| server.refused("/v1/chat/completions", &json!({ "model": "both", "messages": messages }));
    assert_eq!(refused(json!([])), (400, json!("messages")));
    assert_eq!(refused(json!([{ "content": "q" }])), (400, json!("messages[0].role")));
    assert_eq!(refused(json!(["q"])).0, 400);
    let picture = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "data:," } }] }]);
    assert_eq!(refused(picture), (400, json!("messages[0].content")));
    server.stop();
}

#[test]
fn scripts_for_the_published_gac_run_unchanged() {
    let server = Fixture::new();
    assert_eq!(server.get("/status").json(), json!({ "status": "ready" }));
    let said = |content: &str| json!([{ "role": "user", "content": content }]);
    let body = json!({
        "messages_list": [said("q"), said("qab")], "max_new_tokens": 8, "apply_chat_template": true,
    });
    assert_eq!(server.post("/api/generate/", &body).json(), json!({ "response": ["abc\u{e9}", "c\u{e9}"] }));
    // Without a template, the first message is the prompt; a text of `until` is no part of the response.
    let body = json!({ "messages_list": [said("q")], "until": ["\u{e9}"] });
    assert_eq!(server.post("/api/generate/", &body).json(), json!({ "response": ["abc"] }));
    let body = json!({ "messages_list": [said("q"), said("qab")], "max_length": 3 });
    assert_eq!(server.post("/api/generate/", &body).json(), json!({ "response": ["abc", "c"] }));
    assert_eq!(server.refused("/api/generate/", &json!({ "messages_list": [[]] })), (400, json!("messages_list[0]")));
    assert_eq!(server.post("/api/generate/", &json!({ "messages_list": [] })).json(), json!({ "response": [] }));
    server.stop();
}
