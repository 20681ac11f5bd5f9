//! Model folders as users have them: what is valid runs, what is not is said to be what it is.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Ran, gac, lines, root};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 538090408\n";
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n";

/// A copy of a miniature model.
fn model(folder: &Path) -> PathBuf {
    let model = folder.join("model");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(root().join("models/mini-llama")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    model
}

fn score(folder: &Path, model: &Path) -> Ran {
    let (input, output) = (folder.join("in.jsonl"), folder.join("out.jsonl"));
    fs::write(&input, "{\"text\": \"one two\"}\n").unwrap();
    let [input, output, model] = [&input, &output, model].map(|path| path.to_str().unwrap());
    gac(&["score", "--model", model, "--input", input, "--output", output])
}

#[test]
fn files_that_are_something_else_are_said_to_be_that_and_only_damaged_ones_damaged() {
    for (file, content, said, hint) in [
        ("model.safetensors", POINTER.as_bytes(), "model.safetensors` is a Git LFS pointer", "git lfs pull"),
        ("tokenizer.json", POINTER.as_bytes(), "tokenizer.json` is a Git LFS pointer", "git lfs pull"),
        ("config.json", POINTER.as_bytes(), "config.json` is a Git LFS pointer", "git lfs pull"),
        ("generation_config.json", POINTER.as_bytes(), "generation_config.json` is a Git LFS pointer", "git lfs pull"),
        ("model.safetensors", PAGE.as_bytes(), "model.safetensors` is a web page", "HF_TOKEN"),
        ("tokenizer.json", PAGE.as_bytes(), "tokenizer.json` is a web page", "HF_TOKEN"),
        ("model.safetensors", b"Entry not found", "model.safetensors` is a few words of text", "download"),
        ("model.safetensors", b"", "model.safetensors` is empty", "download the file again"),
        ("model.safetensors", b"PK\x03\x04archive/data.pkl", "is a PyTorch pickle", "save_pretrained"),
        ("model.safetensors", b"GGUF\x03\0\0\0", "is a GGUF file", "ends in .gguf"),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{\"x\":{}", "model.safetensors`: ", "damaged"),
        ("config.json", b"{\"model_type\": \"llama\",", "config.json`: ", "damaged"),
        ("tokenizer.json", b"{\"model\": ", "tokenizer.json`: ", "damaged"),
        ("generation_config.json", b"{\"eos_token_id\": \"2\"}", "`eos_token_id` in", "transformers wrote"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let model = model(folder.path());
        fs::write(model.join(file), content).unwrap();
        let ran = score(folder.path(), &model);
        assert_eq!(ran.code, 2, "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{file}: {}", ran.stderr);
        let (_, hinted) = ran.stderr.split_once("hint: ").unwrap();
        assert!(hinted.contains(hint), "{file}: {}", ran.stderr);
        assert_eq!(hinted.contains("damaged"), hint == "damaged", "{file}: {}", ran.stderr);
    }
}

#[test]
fn a_gguf_file_that_is_something_else_is_said_to_be_that() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.gguf");
    for (content, said) in [
        (POINTER, "is a Git LFS pointer"),
        (PAGE, "is a web page"),
        ("", "is empty"),
        ("tjgg\x03\0\0\0\0\0\0\0", "from before there was GGUF"),
        ("GGUF\x04\0\0\0\0\0\0\0", "it is of version 4 of GGUF; known are 1, 2 and 3"),
    ] {
        fs::write(&model, content).unwrap();
        let ran = score(folder.path(), &model);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("damaged"), "{}", ran.stderr);
    }
}

#[test]
fn weights_that_are_cut_off_are_damaged_and_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let path = model.join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for part in [4, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..part]).unwrap();
        let ran = score(folder.path(), &model);
        assert_eq!(ran.code, 2);
        assert!(
            ran.stderr.contains("model.safetensors`") && ran.stderr.contains("download it again"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn quantised_checkpoints_are_said_to_be_that() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let path = model.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["quantization_config"] = serde_json::json!({"quant_method": "awq", "bits": 4, "group_size": 128});
    fs::write(&path, config.to_string()).unwrap();
    let ran = score(folder.path(), &model);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("the weights are quantised (AWQ)") && ran.stderr.contains("config.json"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: take the model's unquantised weights, or a GGUF file"), "{}", ran.stderr);

    // What a fine-tuning left there quantises nothing.
    config["quantization_config"] =
        serde_json::json!({"quant_method": "bitsandbytes", "load_in_4bit": false, "load_in_8bit": false});
    fs::write(&path, config.to_string()).unwrap();
    assert_eq!(score(folder.path(), &model).code, 0);
}

#[test]
fn files_as_other_programs_write_them_give_the_same_scores() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let output = folder.path().join("out.jsonl");
    assert_eq!(score(folder.path(), &model).code, 0);
    let expected = lines(output.to_str().unwrap());

    // Byte order marks, floats for whole numbers, Python's numbers, nulls, a field twice.
    for file in ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"] {
        let text = fs::read_to_string(model.join(file)).unwrap();
        let text = match file {
            "config.json" => {
                let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
                let layers = config["num_hidden_layers"].as_f64().unwrap();
                config["num_hidden_layers"] = layers.into();
                config["rope_scaling"] = serde_json::Value::Null;
                config["sliding_window"] = serde_json::Value::Null;
                config.to_string().replacen(
                    '{',
                    "{\"low\": -Infinity, \"zorb\": [NaN, Infinity], \"rms_norm_eps\": 1,",
                    1,
                )
            }
            "tokenizer_config.json" => text.replacen('{', "{\"model_max_length\": Infinity,", 1),
            _ => text,
        };
        fs::write(model.join(file), format!("\u{feff}{text}")).unwrap();
    }
    // Weights in a folder within the model's, as an index says.
    fs::create_dir(model.join("weights")).unwrap();
    fs::rename(model.join("model.safetensors"), model.join("weights/model-1.safetensors")).unwrap();
    let bytes = fs::read(model.join("weights/model-1.safetensors")).unwrap();
    let header = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let tensors = header.as_object().unwrap().keys().filter(|name| *name != "__metadata__");
    let map: serde_json::Map<String, serde_json::Value> =
        tensors.map(|name| (name.clone(), "./weights/model-1.safetensors".into())).collect();
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    fs::write(model.join("model.safetensors.index.json"), index.to_string()).unwrap();

    let ran = score(folder.path(), &model);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(lines(output.to_str().unwrap()), expected);
}
