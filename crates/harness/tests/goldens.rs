//! Prompts and scores against lm-evaluation-harness's own.
//!
//! On documents of our own, which any clone has: `scripts/lm_eval/goldens.py` recorded them. And on the real data sets,
//! in both versions: those recordings and the data are no part of the repository, but are looked for in `GAC_SHARED`, or
//! in `shared/` beside the workspace; without them these tests are ignored. Every recorded file is compared; one that is
//! not known here fails the test.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail, and says what it compared")]

mod goldens {
    pub(crate) mod prompts;
    pub(crate) mod scores;
    pub(crate) mod support;
}

use gac_needs::needs;
use goldens::support::{Recordings, own, papers_commit, release};
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

fn compare_prompts(recordings: &Recordings) {
    let (mut documents, mut requests, mut files) = (0, 0, 0);
    for recording in recordings.names("") {
        let (task, shots) = task_of(&recording);
        let counts = prompts::compare(recordings, &recording, task, shots);
        documents += counts.0;
        requests += counts.1;
        files += 1;
    }
    assert_eq!(files, 11, "recordings of prompts of {}", recordings.name);
    eprintln!("{}: {files} files, {documents} documents, {requests} requests equal", recordings.name);
}

fn compare_scores(recordings: &Recordings) {
    let (mut responses, mut aggregates, mut files) = (0, 0, 0);
    for recording in recordings.names("scoring") {
        let counts = scores::compare(recordings, &recording);
        responses += counts.0;
        aggregates += counts.1;
        files += 1;
    }
    assert_eq!(files, 10, "recordings of scores of {}", recordings.name);
    eprintln!("{}: {files} files, {responses} responses, {aggregates} aggregates equal", recordings.name);
}

/// Documents of our own that are recorded, of all tasks.
const DOCUMENTS: usize = 1246;

/// Recordings of our own documents: the task, its shots, and whether the documents are those of the miniature data sets.
const OWN: [(&str, Option<usize>, bool); 31] = [
    ("aime24", Some(0), false),
    ("aime25", Some(2), false),
    ("arc_challenge", Some(25), true),
    ("arc_easy", Some(0), true),
    ("boolq", Some(3), false),
    ("cnn_dailymail_abisee", Some(0), false),
    ("gpqa_diamond_cot_zeroshot", Some(0), false),
    ("gpqa_diamond_zeroshot", Some(0), false),
    ("gsm8k", Some(5), true),
    ("hellaswag", Some(3), false),
    ("hendrycks_math500", Some(2), false),
    ("ifeval", Some(0), false),
    ("lambada_openai", Some(2), false),
    ("mmlu", Some(5), false),
    ("mmlu_flan_n_shot_generative", Some(5), false),
    ("mmlu_pro", Some(5), false),
    ("nq_open", Some(5), true),
    ("openbookqa", Some(2), false),
    ("own_bbh", None, false),
    ("own_cot", None, false),
    ("own_gen", Some(0), false),
    ("own_mc1", Some(2), false),
    ("own_mc2", Some(0), false),
    ("own_minerva", Some(2), false),
    ("piqa", Some(5), true),
    ("samsum", Some(2), false),
    ("squad_completion", Some(0), false),
    ("squadv2", Some(0), false),
    ("triviaqa", Some(5), true),
    ("wikitext", Some(0), false),
    ("winogrande", Some(4), false),
];

#[test]
fn prompts_of_our_own_documents_are_lm_evaluation_harnesss() {
    assert_eq!(own(true).names(""), OWN.map(|(recording, ..)| recording));
    let counts = OWN.map(|(task, shots, miniature)| prompts::compare(&own(miniature), task, task, shots));
    assert_eq!(counts.map(|(documents, _)| documents).iter().sum::<usize>(), DOCUMENTS);
}

#[test]
fn scores_and_aggregates_of_our_own_responses_are_lm_evaluation_harnesss() {
    assert_eq!(own(true).names("scoring"), OWN.map(|(recording, ..)| recording));
    let counts = OWN.map(|(task, _, miniature)| scores::compare(&own(miniature), task));
    assert_eq!(counts.map(|(responses, _)| responses).iter().sum::<usize>(), DOCUMENTS);
}

#[needs(shared)]
#[test]
fn every_recorded_prompt_of_the_release_is_reproduced() {
    compare_prompts(&release());
}

#[needs(shared)]
#[test]
fn every_recorded_prompt_of_the_papers_commit_is_reproduced() {
    compare_prompts(&papers_commit());
}

#[needs(shared)]
#[test]
fn every_recorded_score_and_aggregate_of_the_release_is_reproduced() {
    compare_scores(&release());
}

#[needs(shared)]
#[test]
fn every_recorded_score_and_aggregate_of_the_papers_commit_is_reproduced() {
    compare_scores(&papers_commit());
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
