//! `/v1/completions`, as clients use it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serde_json::{Value, json};
use support::Fixture;

fn close(a: &Value, b: f64) {
    let a = a.as_f64().unwrap_or_else(|| panic!("{a} is no number"));
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

fn texts(answer: &Value) -> Vec<&str> {
    answer["choices"].as_array().unwrap().iter().map(|choice| choice["text"].as_str().unwrap()).collect()
}

#[test]
fn everything_that_is_served_is_listed() {
    let server = Fixture::new();
    for path in ["/v1/models", "/models"] {
        let list = server.get(path).json();
        let names: Vec<&str> = list["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
        assert_eq!(names, ["both", "gated", "first", "second"]);
        assert_eq!((&list["data"][0]["owned_by"], &list["data"][0]["max_model_len"]), (&json!("gac"), &json!(64)));
    }
    assert_eq!(server.get("/v1/models/gated").json()["members"], json!(["first", "second"]));
    assert_eq!(server.get("/v1/models/third").status, 404);
    assert_eq!(server.get("/version").json()["engine"], "gac");
    server.stop();
}

#[test]
fn a_prompt_is_a_text_texts_ids_or_lists_of_ids() {
    let server = Fixture::new();
    let ask = |model: &str, prompt: Value| {
        let answer = server.completion(&json!({ "model": model, "prompt": prompt, "max_tokens": 8 }));
        texts(&answer).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for model in ["both", "gated", "first", "second"] {
        assert_eq!(ask(model, json!("q")), ["abc\u{e9}"], "{model}");
        assert_eq!(ask(model, json!(["q", "qab"])), ["abc\u{e9}", "c\u{e9}"], "{model}");
    }
    // Ids are the first member's.
    assert_eq!(ask("both", json!([0, 1])), ["c\u{e9}"]);
    assert_eq!(ask("second", json!([[4, 1], [4]])), ["bc\u{e9}", "abc\u{e9}"]);
    server.stop();
}

#[test]
fn usage_and_reasons_to_end_are_told() {
    let server = Fixture::new();
    let ended = server.completion(&json!({ "model": "both", "prompt": "q", "max_tokens": 8 }));
    assert_eq!(ended["choices"][0]["finish_reason"], "stop");
    assert_eq!(ended["usage"], json!({ "prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5 }));
    let short = server.completion(&json!({ "model": "both", "prompt": "q", "max_tokens": 2 }));
    assert_eq!((texts(&short), &short["choices"][0]["finish_reason"]), (vec!["abc"], &json!("length")));
    let stopped = server.completion(&json!({ "model": "both", "prompt": "q", "stop": ["\u{e9}", "zz"] }));
    assert_eq!((texts(&stopped), &stopped["choices"][0]["finish_reason"]), (vec!["abc"], &json!("stop")));
    let nothing = server.completion(&json!({ "model": "both", "prompt": "q", "max_tokens": 0 }));
    assert_eq!((texts(&nothing), &nothing["choices"][0]["finish_reason"]), (vec![""], &json!("length")));
    server.stop();
}

#[test]
fn log_probabilities_are_those_of_the_union_distribution() {
    let server = Fixture::new();
    let body = json!({ "model": "both", "prompt": "q", "max_tokens": 8, "logprobs": 2 });
    let lists = &server.completion(&body)["choices"][0]["logprobs"];
    assert_eq!(lists["tokens"], json!(["ab", "c", "\u{e9}", "<eos>"]));
    assert_eq!(lists["text_offset"], json!([0, 2, 3, 4]));
    close(&lists["token_logprobs"][0], 0.35_f64.ln());
    close(&lists["top_logprobs"][0]["c"], 0.3_f64.ln());
    close(&lists["token_logprobs"][1], 0.7_f64.ln());
    close(&lists["top_logprobs"][1]["<eos>"], 0.2_f64.ln());
    server.stop();
}

#[test]
fn an_echoed_prompt_is_scored_with_one_entry_more_even_if_that_is_the_end() {
    let server = Fixture::new();
    // What lm-evaluation-harness sends for a continuation.
    let body = json!({
        "model": "both", "prompt": [[0, 1, 2, 3]], "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234,
        "echo": true,
    });
    let answer = server.completion(&body);
    assert_eq!(texts(&answer), ["qabc\u{e9}"]);
    let lists = &answer["choices"][0]["logprobs"];
    assert_eq!(lists["tokens"], json!(["q", "ab", "c", "\u{e9}", "<eos>"]));
    assert_eq!((&lists["token_logprobs"][0], &lists["top_logprobs"][0]), (&Value::Null, &Value::Null));
    for (at, q) in [(1, 0.35_f64), (2, 0.7), (3, 0.75), (4, 0.9)] {
        close(&lists["token_logprobs"][at], q.ln());
        let most = lists["top_logprobs"][at].as_object().unwrap().values().map(|p| p.as_f64().unwrap());
        let most = most.fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(lists["token_logprobs"][at].as_f64().unwrap().to_bits(), most.to_bits(), "it is greedy");
    }
    // Another than the most probable one is told to be less so.
    let lists = &server.completion(&json!({
        "model": "both", "prompt": [0, 2], "max_tokens": 0, "logprobs": 1, "echo": true,
    }))["choices"][0]["logprobs"];
    assert_eq!(lists["tokens"], json!(["q", "c"]));
    close(&lists["token_logprobs"][1], 0.3_f64.ln());
    close(&lists["top_logprobs"][1]["ab"], 0.35_f64.ln());
    server.stop();
}

#[test]
fn a_context_can_be_named_behind_which_tokens_are_scored_as_choices_are() {
    let server = Fixture::new();
    let ask = |context: usize| {
        let body = json!({
            "model": "both", "prompt": [0, 1, 2], "max_tokens": 0, "logprobs": 1, "echo": true,
            "gac": { "context_tokens": context },
        });
        server.completion(&body)["choices"][0]["logprobs"]["token_logprobs"].clone()
    };
    let lists = ask(2);
    assert_eq!((&lists[0], &lists[1]), (&Value::Null, &Value::Null));
    close(&lists[2], 0.7_f64.ln());
    assert_eq!(ask(9), json!([null, null, null]));
    server.stop();
}

#[test]
fn tokens_can_be_named_by_their_ids() {
    let server = Fixture::new();
    let body = json!({
        "model": "first", "prompt": [0], "max_tokens": 1, "logprobs": 1, "return_tokens_as_token_ids": true,
        "logprob_token_ids": [4, 2], "prompt_logprobs": 1,
    });
    let choice = &server.completion(&body)["choices"][0];
    assert_eq!(choice["logprobs"]["tokens"], json!(["token_id:1"]));
    let top = choice["logprobs"]["top_logprobs"][0].as_object().unwrap();
    let mut keys: Vec<&String> = top.keys().collect();
    keys.sort();
    assert_eq!(keys, ["token_id:1", "token_id:2", "token_id:4"]);
    close(&top["token_id:2"], 0.2_f64.ln());
    assert_eq!(choice["prompt_logprobs"], json!([null]));
    let body = json!({ "model": "first", "prompt": [0, 2, 3], "max_tokens": 1, "prompt_logprobs": 1 });
    let told = &server.completion(&body)["choices"][0]["prompt_logprobs"];
    assert_eq!(told.as_array().unwrap().len(), 3);
    close(&told[1]["1"]["logprob"], 0.7_f64.ln());
    assert_eq!((&told[1]["1"]["rank"], &told[1]["1"]["decoded_token"]), (&json!(1), &json!("ab")));
    close(&told[1]["2"]["logprob"], 0.2_f64.ln());
    server.stop();
}

#[test]
fn limits_of_lists_are_told_in_the_words_that_clients_look_for() {
    let server = Fixture::new();
    let message = |body: Value| server.post("/v1/completions", &body).json()["error"]["message"].to_string();
    let ask = |field: &str, value: Value| {
        message(json!({ "model": "first", "prompt": [0], "max_tokens": 1, "logprobs": 1, field: value }))
    };
    assert!(ask("logprobs", json!(2_147_483_647)).contains("max allowed: 20 "));
    assert!(ask("logprob_token_ids", json!([2_147_483_647])).contains("Vocabulary size: 7\""));
    // Tokens that are named are no list of the most probable ones.
    let body =
        json!({ "model": "first", "prompt": [0], "max_tokens": 1, "logprobs": 128, "logprob_token_ids": vec![4; 128] });
    assert_eq!(server.completion(&body)["choices"][0]["logprobs"]["tokens"], json!(["ab"]));
    // -1 is as many as are allowed.
    let body = json!({ "model": "first", "prompt": [0], "max_tokens": 1, "logprobs": -1 });
    let lists = &server.completion(&body)["choices"][0]["logprobs"];
    assert_eq!(lists["top_logprobs"][0].as_object().unwrap().len(), 7);
    server.stop();
}

#[test]
fn draws_follow_their_seed_and_several_continuations_differ() {
    let server = Fixture::new();
    let ask = |seed: u64| {
        let answer = server.completion(&json!({
            "model": "first", "prompt": "q", "max_tokens": 6, "temperature": 3.0, "seed": seed, "n": 6,
        }));
        texts(&answer).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let first = ask(1);
    assert_eq!(first, ask(1));
    assert_ne!(first, ask(2));
    assert!(first.iter().any(|text| *text != first[0]), "{first:?}");
    let greedy = server.completion(&json!({ "model": "both", "prompt": "q", "temperature": 0, "n": 2 }));
    assert_eq!(texts(&greedy), ["abc\u{e9}"; 2]);
    server.stop();
}

#[test]
fn a_stream_adds_up_to_the_answer() {
    let server = Fixture::new();
    let body = json!({
        "model": "both", "prompt": ["q", "qab"], "max_tokens": 8, "logprobs": 1, "stream": true,
        "stream_options": { "include_usage": true }, "stop": "\u{e9}z",
    });
    let events = server.post("/v1/completions", &body).events();
    let of = |index: usize| {
        let choices = events.iter().filter_map(|event| event["choices"].get(0)).filter(move |c| c["index"] == index);
        choices.collect::<Vec<_>>()
    };
    for (index, expected) in ["abc\u{e9}", "c\u{e9}"].into_iter().enumerate() {
        let text: String = of(index).iter().map(|choice| choice["text"].as_str().unwrap()).collect();
        assert_eq!(text, expected);
        let reasons: Vec<&Value> = of(index).iter().map(|choice| &choice["finish_reason"]).collect();
        assert_eq!(reasons.iter().filter(|reason| reason.is_string()).count(), 1);
        assert_eq!(*reasons[reasons.len() - 1], json!("stop"));
    }
    let tokens: Vec<&Value> = of(0).iter().filter_map(|c| c["logprobs"]["tokens"].as_array()).flatten().collect();
    assert_eq!(tokens, ["ab", "c", "\u{e9}", "<eos>"]);
    let usage = &events[events.len() - 1];
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(7)));
    server.stop();
}

#[test]
fn a_request_overrides_its_systems_settings_and_is_told_who_decided() {
    let server = Fixture::new();
    let steps = |gac: Value| {
        let body = json!({ "model": "gated", "prompt": "q", "max_tokens": 2, "gac": gac });
        server.completion(&body)["choices"][0]["gac"].clone()
    };
    let traced = steps(json!({ "trace": true }));
    assert_eq!(traced["ensembled"], 1);
    assert_eq!((&traced["steps"][0]["text"], &traced["steps"][0]["ensembled"]), (&json!("ab"), &json!(false)));
    close(&traced["steps"][0]["certainty"], 0.7);
    assert_eq!(traced["steps"][0]["members"][1], Value::Null);
    assert_eq!(traced["steps"][1]["members"][1]["top"][0][0], "c");
    assert_eq!(steps(json!({ "threshold": 1.0 }))["ensembled"], 2);
    assert_eq!(steps(json!({ "threshold": 0.0 }))["ensembled"], 0);
    assert_eq!(steps(json!({ "gate": "second", "threshold": 0.6 }))["ensembled"], 1);
    assert_eq!(steps(json!({ "threshold": 1.0, "weights": [0, 1], "method": "unite" }))["ensembled"], 2);
    assert_eq!(steps(json!({ "threshold": 1.0, "method": "sample-a-member" }))["ensembled"], 2);
    let refused = |gac: Value| {
        let body = json!({ "model": "both", "prompt": "q", "gac": gac });
        server.refused("/v1/completions", &body)
    };
    assert_eq!(refused(json!({ "threshold": 0.5 })), (400, json!("gac.threshold")));
    assert_eq!(refused(json!({ "gate": "third", "threshold": 0.5 })), (400, json!("gac.gate")));
    assert_eq!(refused(json!({ "weights": [1] })), (400, json!("gac.weights")));
    assert_eq!(refused(json!({ "method": "median" })), (400, json!("gac.method")));
    assert_eq!(refused(json!({ "method": "proxy" })), (400, json!("gac.method")), "it is for three models");
    assert_eq!(refused(json!({ "method": "bytes" })), (400, json!("gac.method")), "the first has no `a` alone");
    server.stop();
}

#[test]
fn a_response_made_of_bytes_is_counted_in_the_first_members_tokens() {
    let server = Fixture::spellers();
    let cost = |gac: Value| {
        let answer = server.completion(&json!({ "model": "both", "prompt": "q", "max_tokens": 5, "gac": gac }));
        assert_eq!(answer["choices"][0]["text"], "ab");
        (answer["choices"][0]["gac"]["tokens"].clone(), answer["usage"]["completion_tokens"].clone())
    };
    let both_with_the_end = json!(2);
    assert_eq!(cost(json!({ "weights": [1, 0] })), (json!(2), both_with_the_end.clone()));
    assert_eq!(cost(json!({ "method": "bytes" })), (json!(3), both_with_the_end));
    server.stop();
}

#[test]
fn what_cannot_be_honoured_is_refused_by_its_name_and_what_is_unknown_is_ignored() {
    let server = Fixture::new();
    let with = |field: &str, value: Value| {
        let mut body = json!({ "model": "both", "prompt": "q", "max_tokens": 1 });
        body[field] = value;
        body
    };
    for (field, value) in [
        ("logit_bias", json!({ "1": 5 })),
        ("presence_penalty", json!(1)),
        ("response_format", json!({ "type": "json_object" })),
        ("tools", json!([{ "type": "function" }])),
        ("best_of", json!(3)),
        ("suffix", json!("x")),
        ("prompt", json!({})),
        ("prompt", json!([])),
        ("max_tokens", json!(-1)),
        ("max_tokens", json!("five")),
        ("temperature", json!(-0.5)),
        ("top_p", json!(0.0)),
        ("top_k", json!(-7)),
        ("min_p", json!(2)),
        ("n", json!(0)),
        ("logprobs", json!(21)),
        ("stop", json!(7)),
    ] {
        let mut body = with(field, value.clone());
        if ["top_p", "top_k", "min_p"].contains(&field) {
            body["temperature"] = json!(1);
        }
        assert_eq!(server.refused("/v1/completions", &body), (400, json!(field)), "{field}: {value}");
    }
    let fine = with("unheard_of", json!({ "a": [1] }));
    assert_eq!(texts(&server.completion(&fine)), ["ab"]);
    for neutral in [("logit_bias", json!({})), ("response_format", json!({ "type": "text" })), ("tools", json!(null))] {
        server.completion(&with(neutral.0, neutral.1));
    }
    assert_eq!(server.refused("/v1/completions", &with("model", json!("third"))), (404, json!("model")));
    assert_eq!(server.refused("/v1/completions", &with("prompt", json!([99]))).0, 400);
    assert_eq!(server.refused("/v1/completions", &with("prompt", json!("q".repeat(64)))).0, 400, "too long");
    for body in [&b"{"[..], b"[]", b"\xff", b""] {
        assert_eq!(server.send("POST", "/v1/completions", &[], body).status, 400);
    }
    assert_eq!(server.get("/v1/completions").status, 405);
    assert_eq!(server.get("/nowhere").json()["error"]["type"], "invalid_request_error");
    server.stop();
}

#[test]
fn a_remote_tokenizer_finds_what_it_asks_for() {
    let server = Fixture::new();
    let tokens = server.post("/tokenize", &json!({ "prompt": "qabc", "add_special_tokens": false })).json();
    assert_eq!((&tokens["tokens"], &tokens["count"]), (&json!([0, 1, 2]), &json!(3)));
    let second = server.post("/tokenize", &json!({ "model": "second", "prompt": "qab" })).json();
    assert_eq!(second["tokens"], json!([4, 1, 2]));
    assert_eq!(server.post("/detokenize", &json!({ "tokens": [0, 1, 4] })).json()["prompt"], "qab<eos>");
    let info = server.get("/tokenizer_info").json();
    assert_eq!(
        (&info["eos_token"], &info["bos_token"], &info["chat_template"]),
        (&json!("<eos>"), &Value::Null, &json!("t"))
    );
    assert_eq!(server.refused("/detokenize", &json!({ "tokens": [70] })), (400, json!("tokens")));
    server.stop();
}

#[test]
fn the_description_of_the_api_names_addresses_that_are_there() {
    let server = Fixture::new();
    let description = server.get("/openapi.json").json();
    for (path, methods) in description["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "first").replace("{file}", "tokenizer.json");
        let reply = match methods.get("get") {
            Some(_) => server.get(&path),
            None => server.post(&path, &json!({})),
        };
        let known = [200, 400].contains(&reply.status) || path.ends_with("/files/tokenizer.json");
        assert!(known, "{path}: {} {}", reply.status, reply.text());
    }
    let fields = &description["components"]["schemas"]["Completion"]["properties"];
    assert!(fields["prompt"].is_object() && fields["gac"].is_object());
    server.stop();
}

#[test]
fn a_stream_that_fails_at_once_is_an_error_with_a_status_and_a_field() {
    let server = Fixture::new();
    for prompt in [json!("q".repeat(100)), json!([99])] {
        let body = json!({ "model": "both", "prompt": prompt, "stream": true });
        assert_eq!(server.refused("/v1/completions", &body), (400, json!("prompt")), "{prompt}");
    }
    server.stop();
}
