//! Prompts and scores against lm-evaluation-harness's own, on the real data sets, in both versions.
//!
//! The recorded values and the data are no part of the repository: they are looked for in `GAC_SHARED`, or in `shared/`
//! beside the workspace. Without them these tests are ignored. Every recorded file is compared; one that
//! is not known here fails the test.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail, and says what it compared")]

mod goldens {
    pub(crate) mod prompts;
    pub(crate) mod scores;
    pub(crate) mod support;
}

use gac_needs::{folder, needs};
use goldens::support::{VERSIONS, Version, recordings};
use goldens::{prompts, scores};

/// A recording's task and the shots it was made with; built-in shots are not asked for.
fn task_of(recording: &str) -> (&str, Option<usize>) {
    match recording {
        "mmlu" | "mmlu_flan_n_shot_generative" | "gsm8k" | "triviaqa" | "nq_open" => (recording, Some(5)),
        "arc_easy" | "arc_challenge" | "piqa" => (recording, Some(0)),
        "arc_challenge_25shot" => ("arc_challenge", Some(25)),
        "gsm8k_cot" | "bbh_cot_fewshot" => (recording, None),
        _ => panic!("no test knows the recording {recording}"),
    }
}

fn compare_prompts(version: Version) {
    let shared = folder!(shared);
    let (mut documents, mut requests, mut files) = (0, 0, 0);
    for recording in recordings(shared, version, "") {
        let (task, shots) = task_of(&recording);
        let counts = prompts::compare(shared, version, &recording, task, shots);
        documents += counts.0;
        requests += counts.1;
        files += 1;
    }
    assert_eq!(files, 11, "recordings of prompts of {}", version.name);
    eprintln!("{}: {files} files, {documents} documents, {requests} requests equal", version.name);
}

fn compare_scores(version: Version) {
    let shared = folder!(shared);
    let (mut responses, mut aggregates, mut files) = (0, 0, 0);
    for recording in recordings(shared, version, "scoring") {
        let counts = scores::compare(shared, version, &recording);
        responses += counts.0;
        aggregates += counts.1;
        files += 1;
    }
    assert_eq!(files, 10, "recordings of scores of {}", version.name);
    eprintln!("{}: {files} files, {responses} responses, {aggregates} aggregates equal", version.name);
}

#[needs(shared)]
#[test]
fn every_recorded_prompt_of_the_release_is_reproduced() {
    compare_prompts(VERSIONS[0]);
}

#[needs(shared)]
#[test]
fn every_recorded_prompt_of_the_papers_commit_is_reproduced() {
    compare_prompts(VERSIONS[1]);
}

#[needs(shared)]
#[test]
fn every_recorded_score_and_aggregate_of_the_release_is_reproduced() {
    compare_scores(VERSIONS[0]);
}

#[needs(shared)]
#[test]
fn every_recorded_score_and_aggregate_of_the_papers_commit_is_reproduced() {
    compare_scores(VERSIONS[1]);
}

#[needs(shared)]
#[test]
fn a_limit_does_not_change_a_documents_prompt() {
    prompts::compare_limited("nq_open", 5);
    prompts::compare_limited("mmlu", 5);
    prompts::compare_limited("mmlu_flan_n_shot_generative@9e6e240", 5);
}

#[needs(shared)]
#[test]
fn answers_at_once_take_their_shots_from_the_commits_own_files() {
    prompts::bbh_without_reasoning();
}
