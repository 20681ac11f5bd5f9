//! Methods, sampling, sweeps, traces and vocabularies from the command line, on the miniature models.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use serde_json::Value;
use support::{file, gac, lines};

const LLAMA: &str = "models/mini-llama";
const QWEN: &str = "models/mini-qwen";
const PAIR: [&str; 4] = ["--model", LLAMA, "--model", QWEN];
const PROMPTS: &str = concat!(
    "{\"prompt\": \"Question: What is the capital of\"}\n",
    "{\"prompt\": \"Question: Tom has 3 apples and buys 4 more. How many apples does he have?\\nAnswer:\"}\n",
);

fn generate(more: &[&str]) -> Vec<Value> {
    let (_folder, input, output) = file(PROMPTS);
    let mut args = vec!["generate", "--prompts", &input, "--output", &output, "--max-new-tokens", "20"];
    args.extend(PAIR);
    args.extend(more);
    let ran = gac(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    lines(&output)
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}

fn refused(args: &[&str], expected: &[&str]) {
    let ran = gac(args);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    for expected in expected {
        assert!(ran.stderr.contains(expected), "no `{expected}` in:\n{}", ran.stderr);
    }
}

#[test]
fn every_method_that_votes_on_tokens_generates() {
    for method in ["gac", "unite", "geometric", "safe", "safe-unite"] {
        let lines = generate(&["--method", method]);
        assert!(lines.iter().all(|line| !line["text"].as_str().unwrap().is_empty()), "{method}");
        let every = method != "safe" && method != "safe-unite";
        assert!(lines.iter().all(|line| (line["ensembled"] == line["tokens"]) == every), "{method}: {lines:?}");
    }
}

#[test]
fn draws_follow_the_seed_and_not_the_batch() {
    let drawn = |seed: &str, batch: &str| generate(&["--temperature", "1.5", "--seed", seed, "--batch-size", batch]);
    assert_eq!(texts(&drawn("1", "1")), texts(&drawn("1", "8")));
    assert_ne!(texts(&drawn("1", "8")), texts(&drawn("2", "8")));
    assert_eq!(texts(&generate(&["--temperature", "0"])), texts(&generate(&[])));
}

#[test]
fn flags_that_do_not_belong_together_are_refused_with_a_hint() {
    let (_folder, input, output) = file(PROMPTS);
    let with = |more: &[&'static str]| {
        let mut args = vec!["generate", "--prompts", &input, "--output", &output];
        args.extend(PAIR);
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let refused = |more: &[&'static str], expected: &[&str]| {
        let args = with(more);
        refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    };
    refused(&["--floor", "0.1"], &["`floor`", "`gac`", "hint: "]);
    refused(&["--method", "geometric", "--floor", "2"], &["floor 2"]);
    refused(&["--method", "vote"], &["answer alone", "gac eval"]);
    refused(&["--temperature", "-1"], &["temperature -1"]);
    refused(&["--top-p", "1.5"], &["top-p 1.5"]);
    refused(&["--gate-by", "entropy"], &["gate-by", "hint: "]);
    refused(&["--method", "safe", "--gate", "other"], &["other", "hint: "]);
    refused(&["--method", "gca"], &["gca", "unite"]);
}

#[test]
fn a_sweep_prints_a_line_per_threshold_weights_and_method() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("sweep");
    let mut args = vec!["sweep", "--gate", LLAMA, "--tasks", "gsm8k", "--num-fewshot", "0", "--limit", "3"];
    args.extend(PAIR);
    args.extend(["--data-dir", "datasets/mini", "--thresholds", "1,0,0.5", "--grid-weights", "1:1,2:1"]);
    args.extend(["--grid-methods", "gac,unite", "--output-path", output.to_str().unwrap()]);
    let ran = gac(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let table: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(table.len(), 1 + 3 * 4, "{}", ran.stdout);
    assert!(table[1].contains("gac, 1:1") && table[1].contains(",gsm8k,0.0,"), "{}", table[1]);
    assert_eq!(std::fs::read_to_string(output.join("sweep.csv")).unwrap(), ran.stdout);
    // It is a run: samples of every system are on the disk, and nothing is asked twice.
    let again = gac(&[&args[..], &["--json"]].concat());
    assert!(again.stderr.contains("36 samples were there already"), "{}", again.stderr);
    let json: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(json["entries"].as_array().unwrap().len(), 4);
    assert_eq!(json["entries"][0]["points"][2]["threshold"], 1.0);
    assert_eq!(json["entries"][0]["points"][0]["ensembled"], 0);
    let without_gate: Vec<&str> = [&args[..1], &args[3..]].concat();
    refused(&without_gate, &["gate", "hint: "]);
}

#[test]
fn a_trace_is_explained_with_key_tokens_marked() {
    let (folder, input, _) = file(PROMPTS);
    let trace = folder.path().join("trace.jsonl");
    let trace = trace.to_str().unwrap();
    let mut args = vec!["generate", "--prompts", &input, "--output", trace, "--max-new-tokens", "20", "--trace"];
    args.extend(PAIR);
    args.extend(["--gate", LLAMA, "--threshold", "0.7"]);
    assert_eq!(gac(&args).code, 0);
    let line = &lines(trace)[1];
    let steps = line["steps"].as_array().unwrap();
    let voted = steps.iter().filter(|step| step["ensembled"] == true).count();
    assert!(voted > 0 && voted < steps.len(), "{line}");
    for step in steps {
        assert_eq!(step["certainty"].as_f64().unwrap() <= 0.7, step["ensembled"] == true, "{step}");
        assert_eq!(step["members"][1].is_null(), step["ensembled"] == false, "{step}");
        assert!(!step["members"][0]["top"].as_array().unwrap().is_empty());
    }
    let ran = gac(&["explain", trace, "--line", "2"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains(&format!("{} tokens, {voted} voted on", steps.len())), "{}", ran.stdout);
    assert!(ran.stdout.contains("mini-llama") && ran.stdout.contains("mini-qwen"));
    refused(&["explain", trace, "--line", "3"], &["line 3", "hint: "]);
    refused(&["explain", "no/such/trace.jsonl"], &["no/such/trace.jsonl"]);
    refused(&["explain", &input], &["no steps", "--trace"]);
}

#[test]
fn vocabularies_are_compared() {
    let ran = gac(&["vocab", LLAMA, QWEN]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("union: ") && ran.stdout.contains("texts in both"), "{}", ran.stdout);
    let json: Value = serde_json::from_str(&gac(&["vocab", LLAMA, QWEN, "--json"]).stdout).unwrap();
    assert_eq!(json["members"][0]["rows"], 1000);
    assert_eq!(json["members"][0]["bytes"], 256);
    let union = json["union_tokens"].as_u64().unwrap();
    let overlap = json["overlaps"][0]["texts"].as_u64().unwrap();
    let texts = |member: usize| json["members"][member]["distinct_texts"].as_u64().unwrap();
    assert_eq!(json["union_texts"].as_u64().unwrap(), texts(0) + texts(1) - overlap);
    assert!(union > json["union_texts"].as_u64().unwrap());
    refused(&["vocab", "no/such/folder"], &["no/such/folder"]);
}

#[test]
fn whole_responses_are_voted_on_by_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let value = |name: &str, more: &[&str]| {
        let run = folder.path().join(name);
        let mut args = vec!["eval", "--tasks", "gsm8k,arc_easy", "--limit", "6", "--num-fewshot", "0"];
        args.extend(["--data-dir", "datasets/mini", "--output-path", run.to_str().unwrap()]);
        args.extend(more);
        let ran = gac(&args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        std::fs::read_to_string(run.join("leaderboard.csv")).unwrap()
    };
    let number = |csv: &str, task: &str| -> f64 {
        let column = csv.lines().next().unwrap().split(',').position(|name| name == "value").unwrap();
        let line = csv.lines().find(|line| line.split(',').any(|field| field == task)).unwrap();
        // Fields before this one may hold commas in quotes: count from the end.
        let from_end = csv.lines().next().unwrap().split(',').count() - 1 - column;
        line.split(',').nth_back(from_end).unwrap().parse().unwrap()
    };
    // With two members every tie is the first's: a vote is the first model, unless it gives no answer.
    let alone = value("alone", &["--model", LLAMA]);
    let vote = value("vote", &[&PAIR[..], &["--method", "vote"]].concat());
    assert_eq!(number(&alone, "arc_easy").to_bits(), number(&vote, "arc_easy").to_bits(), "{alone}\n{vote}");
    assert!(number(&vote, "gsm8k") >= number(&alone, "gsm8k"));
    let best = value("best", &[&PAIR[..], &["--method", "best-of"]].concat());
    assert!((0.0..=1.0).contains(&number(&best, "gsm8k")));
}

/// A copy of a model that has been given a chat template.
fn chatty(model: &str, template: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(support::root().join(model)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    std::fs::write(copy.path().join("chat_template.jinja"), template).unwrap();
    copy
}

#[test]
fn chats_are_written_down_by_each_models_own_template() {
    let template = "{% for m in messages %}{{ m.content }}\n{% endfor %}";
    let (llama, qwen) = (chatty(LLAMA, template), chatty(QWEN, template));
    let pair = ["--model", llama.path().to_str().unwrap(), "--model", qwen.path().to_str().unwrap()];
    let run = |lines_in: &str, more: &[&str]| {
        let (_folder, input, output) = file(lines_in);
        let mut args = vec!["generate", "--prompts", &input, "--output", &output, "--max-new-tokens", "12"];
        args.extend(pair);
        args.extend(more);
        let ran = gac(&args);
        (ran.code, ran.stderr, if ran.code == 0 { lines(&output) } else { Vec::new() })
    };
    let question = "Question: Tom has 3 apples and buys 4 more. How many apples does he have?";
    let prompt = serde_json::json!({"prompt": question}).to_string();
    let chat = run(&prompt, &["--apply-chat-template"]);
    assert_eq!(chat.0, 0, "{}", chat.1);
    // Turns before the last, and a system message, are read in order.
    let messages = serde_json::json!({"messages": [
        {"role": "user", "content": "Question: What is 1 + 1?"},
        {"role": "assistant", "content": "Answer: 2"},
        {"role": "user", "content": question},
    ]});
    let turns = run(&messages.to_string(), &["--apply-chat-template", "--system-instruction", "Answer."]);
    assert_eq!(turns.0, 0, "{}", turns.1);
    assert_eq!(turns.2[0]["prompt"], question);
    // Messages are a chat whether that is asked for or not; a prompt is one where it is.
    let unasked = run(&format!("{messages}\n{prompt}"), &[]);
    assert_eq!((unasked.0, unasked.2.len()), (0, 2), "{}", unasked.1);
    let asked = run(&messages.to_string(), &["--apply-chat-template"]);
    let text = |line: &serde_json::Value| line["text"].clone();
    assert_eq!(text(&unasked.2[0]), text(&asked.2[0]));
    let plain = run(&serde_json::json!({"prompt": format!("{question}\n")}).to_string(), &[]);
    assert_eq!(text(&plain.2[0]), text(&chat.2[0]), "the template writes a line break behind a message");
    let of_message = |message: serde_json::Value| serde_json::json!({"messages": [message]}).to_string();
    for (text, flags, expected) in [
        (prompt.clone(), &["--system-instruction", "x"][..], "--apply-chat-template"),
        (prompt.clone(), &["--chat-template-args", "{\"a\": 1}"][..], "--apply-chat-template"),
        (prompt.clone(), &["--chat-template", "default"][..], "--apply-chat-template"),
        (of_message(serde_json::json!({"role": "assistant", "content": "x"})), &[][..], "user"),
        (of_message(serde_json::json!({"content": "x"})), &[][..], "role"),
        (serde_json::json!({"messages": []}).to_string(), &[][..], "empty"),
        (of_message(serde_json::json!({"role": "user"})), &["--chat-template", "no/such.jinja"][..], "no/such.jinja"),
        (of_message(serde_json::json!({"role": "user"})), &["--chat-template", "rag"][..], "default"),
        (of_message(serde_json::json!({"role": "user"})), &["--chat-template-args", "[1]"][..], "JSON object"),
    ] {
        let (code, stderr, _) = run(&text, flags);
        assert_eq!(code, 2, "{text} {flags:?}");
        assert!(stderr.contains(expected), "no `{expected}` in {stderr}");
    }
    let (_folder, input, output) = file(&prompt);
    let plain = ["generate", "--model", LLAMA, "--prompts", &input, "--output", &output, "--apply-chat-template"];
    refused(&plain, &["no chat template", "hint: ", "--chat-template FILE"]);
    let (_folder, input, output) = file(&messages.to_string());
    refused(&["generate", "--model", LLAMA, "--prompts", &input, "--output", &output], &["no chat template", "FILE"]);
}

#[test]
fn chats_may_name_tools_fields_and_parts_and_templates_are_told_arguments() {
    let template = "{% for t in tools or [] %}<{{ t.function.name }}>{% endfor %}{% for m in messages %}\
                    {{ m.name }}:{% for p in m.content %}{{ p.text }}{% endfor %}{{ word }}{{ other }}\n{% endfor %}";
    let llama = chatty(LLAMA, "unused");
    std::fs::write(llama.path().join("mine.jinja"), template).unwrap();
    let (model, mine) = (llama.path().to_str().unwrap(), llama.path().join("mine.jinja"));
    let first = |line: &str, more: &[&str]| {
        let (_folder, input, output) = file(line);
        let args = ["generate", "--model", model, "--prompts", &input, "--output", &output, "--max-new-tokens", "8"];
        let ran = gac(&[&args[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        lines(&output)[0]["text"].clone()
    };
    let chat = serde_json::json!({
        "messages": [{"role": "user", "name": "Ada", "content": [{"type": "text", "text": "How "}, {"type": "text", "text": "far?"}]}],
        "tools": [{"type": "function", "function": {"name": "way"}}],
    });
    let arguments =
        ["--chat-template-args", "{\"word\": \" Tell\", \"other\": 2}", "--chat-template", mine.to_str().unwrap()];
    let written = serde_json::json!({"prompt": "<way>Ada:How far? Tell2\n"});
    assert_eq!(first(&chat.to_string(), &arguments), first(&written.to_string(), &[]));
}

#[test]
fn a_run_records_what_templates_were_told_and_goes_on_at_the_time_it_began() {
    let llama = chatty(LLAMA, "{{ strftime_now('%Y-%m-%d %H:%M:%S') }}{{ word }}{{ messages[-1].content }}\n");
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run");
    let data = support::root().join("datasets/mini");
    let run = |word: &str| {
        let arguments = serde_json::json!({ "word": word }).to_string();
        let ran = gac(&[
            "eval",
            "--model",
            llama.path().to_str().unwrap(),
            "--tasks",
            "gsm8k",
            "--limit",
            "2",
            "--apply-chat-template",
            "--chat-template-args",
            &arguments,
            "--data-dir",
            data.to_str().unwrap(),
            "--output-path",
            output.to_str().unwrap(),
        ]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let manifest = std::fs::read(output.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let system = &manifest["plan"]["systems"][0]["settings"]["chat"];
        (system["time"].clone(), system["arguments"].clone(), manifest["systems"][0]["identity"].clone())
    };
    let first = run("a");
    assert!(first.0.is_u64() && first.1 == serde_json::json!({"word": "a"}), "{first:?}");
    // Late enough for another second to be told.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(run("a"), first);
    let other = run("b");
    assert_eq!(other.0, first.0);
    assert_ne!(other.2, first.2, "what was said to templates is part of what a system is");
}

#[test]
fn drafts_by_whomever_leave_answers_as_they_are() {
    let gated = ["--gate", LLAMA, "--threshold", "0.7"];
    for (system, drafters) in [(&[][..], ["prompt", LLAMA, "mini-qwen"]), (&gated[..], ["prompt", "gate", LLAMA])] {
        let plain = generate(system);
        for drafter in drafters {
            let lines = generate(&[system, &["--draft", drafter, "--draft-tokens", "3"]].concat());
            let drafted: u64 = lines.iter().filter_map(|line| line["drafts"]["drafted"].as_u64()).sum();
            assert!(drafted > 0, "{drafter} drafts");
            assert_eq!(texts(&lines), texts(&plain), "{drafter}, {system:?}");
        }
    }
    let eval = [&["eval"][..], &PAIR, &["--tasks", "piqa", "--draft", "gate"]].concat();
    refused(&eval, &["`draft` is `gate`, which is no gate here", "by `mini-llama` or `mini-qwen`"]);
}
