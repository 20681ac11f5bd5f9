//! Runs of the miniature models as they are and damaged: the gate finds the damage, and a rerun is the same again.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;

use std::fs;
use std::path::Path;

use support::{gac, root};

/// A copy of a miniature model of whose parameters one in `every` is zero.
fn damaged(folder: &Path, every: usize) -> String {
    overwritten(folder, every, [0; 4])
}

/// A copy of a miniature model with these bytes in place of one in `every` four.
fn overwritten(folder: &Path, every: usize, with: [u8; 4]) -> String {
    let model = folder.join(format!("damaged-{every}-{:x}", u32::from_le_bytes(with)));
    fs::create_dir(&model).unwrap();
    let original = root().join("models/mini-llama");
    for entry in fs::read_dir(&original).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    let path = model.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    // Eight bytes of length, the header, then numbers of two or four bytes.
    let header = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    for number in bytes[8 + header..].chunks_exact_mut(4).step_by(every) {
        number.copy_from_slice(&with);
    }
    fs::write(&path, bytes).unwrap();
    model.to_str().unwrap().to_owned()
}

fn run(folder: &Path, name: &str, model: &str) -> String {
    let recipe = folder.join(format!("{name}.toml"));
    let text = format!(
        "data-dir = '{}/datasets/mini'\ntasks = [{{ name = 'gsm8k', num-fewshot = 1 }}, {{ name = 'arc_easy', num-fewshot = 0 }}]\n\
         limit = 80\n[models]\nm = {{ path = '{model}' }}\n[[systems]]\nname = 'm'\nmembers = ['m']\n",
        root().display()
    );
    fs::write(&recipe, text).unwrap();
    let output = folder.join(name).to_str().unwrap().to_owned();
    let ran = gac(&["run", recipe.to_str().unwrap(), "--output-path", &output]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    output
}

#[test]
fn a_damaged_model_is_a_regression_and_the_same_model_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let llama = root().join("models/mini-llama").to_str().unwrap().to_owned();
    let base = run(folder.path(), "base", &llama);
    let same = run(folder.path(), "same", &llama);
    let worse = run(folder.path(), "worse", &damaged(folder.path(), 3));
    let compare = |new: &str| gac(&["compare", &base, new, "--fail-on", "regression", "--max-drop", "1"]);
    let passed = compare(&same);
    assert_eq!(passed.code, 0, "{}{}", passed.stdout, passed.stderr);
    let failed = compare(&worse);
    assert_eq!(failed.code, 1, "{}{}", failed.stdout, failed.stderr);
    assert!(failed.stdout.contains("REGRESSION"), "{}", failed.stdout);

    let again = folder.path().join("again");
    let rerun = gac(&["rerun", &base, "--output-path", again.to_str().unwrap()]);
    assert_eq!(rerun.code, 0, "{}", rerun.stderr);
    assert!(rerun.stderr.contains("160 of 160 samples came out as before"), "{}", rerun.stderr);
}

#[test]
fn a_rerun_with_other_weights_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = damaged(folder.path(), 1000);
    let base = run(folder.path(), "base", &model);
    let path = Path::new(&model).join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let output = folder.path().join("again");
    let args = ["rerun", &base, "--output-path", output.to_str().unwrap()];
    let ran = gac(&args);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("model `m` (model.safetensors)"), "{}", ran.stderr);
    assert!(!output.exists());
    let ran = gac(&[&args[..], &["--allow-changes"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: not what"), "{}", ran.stderr);
}

#[test]
fn weights_that_are_not_numbers_are_an_error_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let texts =
        ["{\"text\": \"one two\"}", "{\"tokens\": [1, 2, 3]}", "{\"context\": \"one\", \"continuation\": \" two\"}"];
    fs::write(at("prompts"), "{\"prompt\": \"one two\"}\n").unwrap();
    // Every weight NaN, and every weight infinite (in f32, and every other one in f16's and bf16's halves).
    for with in [[0xff; 4], [0, 0, 0x80, 0x7f]] {
        let model = overwritten(folder.path(), 1, with);
        let refused = |args: &[&str]| {
            let ran = gac(&[args, &["--model", &model]].concat());
            assert_eq!(ran.code, 2, "{args:?}: {}{}", ran.stdout, ran.stderr);
            let said = "gave no usable probabilities: its logits are not finite numbers";
            assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
            assert!(ran.stderr.contains("hint: are the weights damaged?"), "{args:?}: {}", ran.stderr);
        };
        for text in texts {
            fs::write(at("texts"), text).unwrap();
            refused(&["score", "--input", &at("texts"), "--output", &at("scores")]);
        }
        refused(&["generate", "--prompts", &at("prompts"), "--output", &at("generated")]);
        for output in ["scores", "generated"] {
            assert!(!fs::exists(at(output)).unwrap() && !fs::exists(at(output) + ".resume").unwrap());
        }
    }
}
