//! What users of lm-evaluation-harness type that is said otherwise here.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::Failure;

/// Flags of `lm-eval run` (0.4.13) that are none here, with what stands for them.
const FLAGS: [(&str, &str); 15] = [
    ("--max-batch-size", "`--batch-size N` is the most samples in flight"),
    ("--cache-requests", "leave it out: prompts are made in seconds"),
    ("--check-integrity", "`gac data verify` checks the data"),
    ("--show-config", "`gac tasks show TASK` prints a task's definition; a run's settings are in its manifest.json"),
    ("--verbosity", "`-v` says more, `-vv` still more"),
    ("--wandb-args", "`gac export --format lm-eval RUN` writes lm-evaluation-harness's files, `gac report RUN` a page"),
    ("--wandb-config-args", "`gac export --format lm-eval RUN` writes lm-evaluation-harness's files"),
    ("--trackio-args", "`gac export --format lm-eval RUN` writes lm-evaluation-harness's files"),
    ("--hf-hub-log-args", "`gac export --format lm-eval RUN` writes lm-evaluation-harness's files, for you to upload"),
    ("--trust-remote-code", "leave it out: no code of a model or a data set is ever run"),
    ("--confirm-run-unsafe-code", "leave it out: no task runs what a model wrote"),
    ("--metadata", "leave it out: no task here takes any"),
    ("--config", "`gac run RECIPE.toml` takes a file; `recipes/mini.toml` shows its parts"),
    ("--decontamination-ngrams-path", "leave it out: there is no decontamination here"),
    ("--huggingface-token", "the variable `HF_TOKEN` holds it"),
];

/// The short forms of some.
const SHORT: [(&str, &str); 2] = [("-a", MODEL_ARGS), ("-C", "--config")];

const TEMPLATE: &str = "--apply-chat-template";

const MODEL_ARGS: &str = "--model-args";

/// Kinds of models that `lm-eval run --model` takes.
const MODEL_KINDS: [&str; 20] = [
    "hf",
    "hf-auto",
    "huggingface",
    "hf-multimodal",
    "hf-mistral3",
    "vllm",
    "vllm-vlm",
    "sglang",
    "sglang-generate",
    "gguf",
    "ggml",
    "local-completions",
    "local-chat-completions",
    "openai-completions",
    "openai-chat-completions",
    "anthropic-chat",
    "mamba_ssm",
    "trtllm",
    "openvino",
    "dummy",
];

/// Values that follow a flag as separate words there become one here: `--gen_kwargs a=1 b=2`, `--fewshot_as_multiturn
/// false`. A template's name after `--apply_chat_template` gets the flag that it has here.
pub(crate) fn joined(args: Vec<OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(args.len());
    // Whether a value of `--gen-kwargs` stands before.
    let mut settings = false;
    for arg in args {
        let text = arg.to_str().unwrap_or_default();
        let last = joined.last().and_then(|last| last.to_str()).unwrap_or_default();
        if settings && !text.starts_with('-') && text.contains('=') {
            let both = format!("{last},{text}");
            joined.pop();
            joined.push(both.into());
            continue;
        }
        if last == "--fewshot-as-multiturn"
            && let Some(value) = truth(text)
        {
            joined.pop();
            joined.push(format!("--fewshot-as-multiturn={value}").into());
            continue;
        }
        if last == TEMPLATE && !text.is_empty() && !text.starts_with('-') {
            if truth(text) != Some(true) {
                joined.extend(["--chat-template".into(), arg]);
            }
            continue;
        }
        if let Some(name) = text.strip_prefix(TEMPLATE).and_then(|value| value.strip_prefix('=')) {
            joined.push(TEMPLATE.into());
            if truth(name) != Some(true) {
                joined.extend(["--chat-template".into(), name.into()]);
            }
            continue;
        }
        settings = last == "--gen-kwargs" || text.starts_with("--gen-kwargs=");
        joined.push(arg);
    }
    joined
}

/// What counts as true there, and what as false.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// What to do instead, where a command line was refused for something of lm-evaluation-harness's.
pub(crate) fn explain(error: &clap::Error, args: &[OsString]) -> Option<Failure> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if error.kind() == ErrorKind::InvalidSubcommand {
        return match text(ContextKind::InvalidSubcommand)? {
            "ls" => Some(refused(
                "`gac ls` is no command",
                "`gac tasks list` lists the tasks, with `--subtasks` their groups and subtasks too",
            )),
            "validate" => Some(refused(
                "`gac validate` is no command",
                "`gac tasks show TASK` prints a task's definition, `gac data verify TASK` checks its data",
            )),
            _ => None,
        };
    }
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let flag = text(ContextKind::InvalidArg)?;
    let flag = flag.split(['=', ' ']).next().unwrap_or(flag);
    let command = args.get(1).and_then(|command| command.to_str()).unwrap_or_default();
    let evaluates = ["--model", "--tasks", "-M", "-t", MODEL_ARGS].contains(&flag);
    if evaluates && (command == "run" || command.starts_with('-')) {
        return Some(refused(
            &format!("`{flag}` is no flag of `gac{}`", if command == "run" { " run" } else { "" }),
            "`gac eval --model MODEL --tasks TASK` evaluates what flags name; `gac run` takes a recipe",
        ));
    }
    let long = SHORT.iter().find(|(short, _)| *short == flag).map_or(flag, |(_, long)| long);
    let error = format!(
        "`{}` is a flag of lm-evaluation-harness's, and none here",
        long.replacen("--", "\0", 1).replace('-', "_").replacen('\0', "--", 1)
    );
    if long == MODEL_ARGS {
        return Some(refused(&error, &model_args(&values(args, &[MODEL_ARGS, "-a"]))));
    }
    let (_, hint) = FLAGS.iter().find(|(known, _)| *known == long)?;
    Some(refused(&error, hint))
}

/// Refuses names of kinds of models in place of models.
pub(crate) fn check_models(models: &[String]) -> Result<(), Failure> {
    let is_kind = |model: &&String| MODEL_KINDS.contains(&model.as_str()) && !Path::new(model.as_str()).exists();
    match models.iter().find(is_kind) {
        Some(kind) => Err(refused(
            &format!("`{kind}` is one of lm-evaluation-harness's kinds of models, and `--model` names a model here"),
            "a model is a folder, a GGUF file or a hub id: `--model org/name` for `--model hf --model_args pretrained=org/name`",
        )),
        None => Ok(()),
    }
}

fn refused(error: &str, hint: &str) -> Failure {
    Failure::with_hint(anyhow::anyhow!("{error}"), hint)
}

/// The values of a flag, in one text.
fn values(args: &[OsString], flags: &[&str]) -> String {
    let args: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap_or_default()).collect();
    let mut found: Vec<&str> = Vec::new();
    for (place, arg) in args.iter().enumerate() {
        let (name, value) = arg.split_once('=').map_or((*arg, None), |(name, value)| (name, Some(value)));
        if flags.contains(&name) {
            found.extend(value);
            found.extend(args[place + 1..].iter().take_while(|value| !value.starts_with('-')));
        }
    }
    found.join(",")
}

/// The flags that say what `pretrained=...,dtype=...` says.
fn model_args(text: &str) -> String {
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    let pairs: Vec<(String, String)> = if let Ok(object) = object {
        let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        object.iter().map(|(key, value)| (key.clone(), plain(value))).collect()
    } else {
        let pair = |part: &str| part.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.to_owned()));
        text.split(',').filter_map(pair).collect()
    };
    let of = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut model = of("pretrained").or_else(|| of("model")).or_else(|| of("path")).unwrap_or("MODEL").to_owned();
    if let Some(file) = of("gguf_file") {
        let _ = write!(model, "/{file}");
    }
    if let Some(revision) = of("revision").filter(|revision| *revision != "main") {
        let _ = write!(model, "@{revision}");
    }
    let mut flags = format!("--model {}", quoted(&model));
    let mut without: Vec<&str> = Vec::new();
    for (key, value) in &pairs {
        match translated(key, value) {
            Some(flag) if flag.is_empty() => {}
            Some(flag) => {
                let _ = write!(flags, " {flag}");
            }
            None => without.push(key),
        }
    }
    let mut hint = format!("`{flags}` says the same");
    if !without.is_empty() {
        let _ = write!(hint, ", but for `{}`, which nothing here stands for", without.join("`, `"));
    }
    hint
}

/// The flag for one argument of a model; empty where none is needed, none where there is none.
fn translated(key: &str, value: &str) -> Option<String> {
    let is_true = truth(value) == Some(true);
    let is_said = match key {
        "pretrained" | "model" | "path" | "gguf_file" | "revision" | "trust_remote_code" | "backend" => true,
        "parallelize" | "load_in_8bit" | "load_in_4bit" => !is_true,
        "tensor_parallel_size" | "tp_size" => value == "1",
        "dtype" => value == "auto",
        _ => false,
    };
    let flag = match (key, value) {
        _ if is_said => String::new(),
        ("dtype", "float32" | "float" | "f32" | "fp32") => "--dtype f32".to_owned(),
        ("dtype", "float16" | "half" | "f16" | "fp16") => "--dtype f16".to_owned(),
        ("dtype", "bfloat16" | "bf16") => "--dtype bf16".to_owned(),
        ("device", device) => format!("--device {}", quoted(device)),
        ("batch_size", size) => format!("--batch-size {}", quoted(size)),
        ("parallelize", _) => "--device cuda:0,cuda:1".to_owned(),
        ("load_in_8bit", _) => "--quantize q8_0".to_owned(),
        ("load_in_4bit", _) => "--quantize q4_k".to_owned(),
        ("add_bos_token", _) => format!("--add-bos {}", truth(value)?),
        ("think_end_token", token) => format!("--think-end-token {}", quoted(token)),
        ("enable_thinking", _) => format!("--chat-template-args '{{\"enable_thinking\": {}}}'", truth(value)?),
        ("chat_template_args", json) => format!("--chat-template-args {}", quoted(json)),
        _ => return None,
    };
    Some(flag)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_./:@,=+-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn arguments_of_a_model_become_flags() {
        let hint = |text: &str| model_args(text);
        assert_eq!(
            hint("pretrained=org/name,revision=v1,dtype=bfloat16,trust_remote_code=True,device=cuda:0"),
            "`--model org/name@v1 --dtype bf16 --device cuda:0` says the same"
        );
        assert_eq!(
            hint("pretrained=a b,dtype=auto,peft=x,think_end_token=</think>,max_length=9"),
            "`--model 'a b' --think-end-token '</think>'` says the same, but for `peft`, `max_length`, which nothing here stands for"
        );
        assert_eq!(
            hint(r#"{"pretrained": "m", "enable_thinking": false, "load_in_4bit": true}"#),
            "`--model m --chat-template-args '{\"enable_thinking\": false}' --quantize q4_k` says the same"
        );
        assert_eq!(hint(""), "`--model MODEL` says the same");
    }

    #[test]
    fn a_flags_values_are_found_wherever_they_stand() {
        let args = words("gac eval --model hf --model-args pretrained=x dtype=float16 --limit 3");
        assert_eq!(values(&args, &[MODEL_ARGS, "-a"]), "pretrained=x,dtype=float16");
        let args = words("gac eval -a pretrained=x --model-args=dtype=float16");
        assert_eq!(values(&args, &[MODEL_ARGS, "-a"]), "pretrained=x,dtype=float16");
    }

    #[test]
    fn separate_values_are_joined() {
        let args = words("gac eval --gen-kwargs a=1 b=2 c=3 --fewshot-as-multiturn No --tasks x=y --limit 3");
        let expected = "gac eval --gen-kwargs a=1,b=2,c=3 --fewshot-as-multiturn=false --tasks x=y --limit 3";
        assert_eq!(joined(args), words(expected));
        let args = words("gac eval --apply-chat-template chatml --limit 3");
        assert_eq!(joined(args), words("gac eval --apply-chat-template --chat-template chatml --limit 3"));
        let args = words("gac eval --apply-chat-template=chatml --limit 3");
        assert_eq!(joined(args), words("gac eval --apply-chat-template --chat-template chatml --limit 3"));
        let args = words("gac eval --apply-chat-template True --limit 3");
        assert_eq!(joined(args), words("gac eval --apply-chat-template --limit 3"));
        let args = words("gac run --gen-kwargs=a=1 b=2 recipe.toml --fewshot-as-multiturn --limit 3");
        assert_eq!(joined(args), words("gac run --gen-kwargs=a=1,b=2 recipe.toml --fewshot-as-multiturn --limit 3"));
    }
}
