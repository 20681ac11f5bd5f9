//! `--repeats` on a miniature model.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use serde_json::Value;
use support::{gac, lines};

#[test]
fn a_model_that_draws_its_tokens_is_asked_several_times() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run");
    let output = output.to_str().unwrap();
    let asked = [
        "eval",
        "--model",
        "models/mini-llama",
        "--tasks",
        "gsm8k",
        "--data-dir",
        "datasets/mini",
        "--num-fewshot",
        "1",
        "--limit",
        "6",
        "--repeats",
        "3",
        "--output-path",
        output,
        "--quiet",
    ];
    let ran = gac(&asked);
    assert!(ran.code == 2 && ran.stderr.contains("asked again, it answers the same"), "{}", ran.stderr);
    assert!(ran.stderr.contains("do_sample=True,temperature=0.7"), "{}", ran.stderr);

    let drawn = ["--gen-kwargs", "do_sample=True,temperature=1.5,seed=5"];
    let ran = gac(&[&asked[..], &drawn].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let system = std::fs::read_dir(output).unwrap().map(Result::unwrap).find(|entry| entry.path().is_dir()).unwrap();
    let task = system.path().join("gsm8k");
    let samples = lines(task.join("samples.jsonl").to_str().unwrap());
    assert_eq!(samples.len(), 18);
    let texts = |doc_id: u64| -> Vec<&str> {
        let of = samples.iter().filter(|sample| sample["doc_id"] == doc_id);
        of.map(|sample| sample["response"]["generated"]["text"].as_str().unwrap()).collect()
    };
    // At this temperature three draws are hardly ever the same.
    assert!((0..6).any(|doc_id| texts(doc_id)[0] != texts(doc_id)[1]), "{samples:?}");

    let results: Value = serde_json::from_str(&std::fs::read_to_string(task.join("results.json")).unwrap()).unwrap();
    assert_eq!((&results["documents"], &results["repeats"]), (&6.into(), &3.into()));
    let aggregates = results["aggregates"].as_array().unwrap();
    let of = |metric: &str| aggregates.iter().find(|aggregate| aggregate["key"]["metric"] == metric).unwrap();
    assert_eq!((&of("avg@3")["value"], &of("avg@3")["stderr"]), (&results["value"], &results["stderr"]));
    assert!(of("pass@3")["value"].as_f64() >= of("pass@2")["value"].as_f64());
    assert!(of("pass@2")["value"].as_f64() >= results["value"].as_f64());
    assert!(of("maj@3")["documents"] == 6);
    let compared = gac(&["compare", output, output, "--json"]);
    let compared: Value = serde_json::from_str(&compared.stdout).unwrap();
    assert_eq!(compared["systems"][0]["findings"][0]["documents"], 6);
}
