//! Prompts and scores against lm-evaluation-harness's own, on the real data sets.
//!
//! The recorded values and the data are no part of the repository: they are looked for in `GAC_SHARED`, or in `shared/`
//! beside the workspace. Without them these tests say that they are skipped.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail, and says what it compared")]

mod goldens {
    pub(crate) mod prompts;
    pub(crate) mod scores;
    pub(crate) mod support;
}

use goldens::{prompts, scores};

/// Name of the recording, task, shots it was made with.
const PROMPTS: [(&str, &str, usize); 9] = [
    ("mmlu", "mmlu", 5),
    ("mmlu_flan_n_shot_generative", "mmlu_flan_n_shot_generative", 5),
    ("gsm8k", "gsm8k", 5),
    ("arc_easy", "arc_easy", 0),
    ("arc_challenge", "arc_challenge", 0),
    ("arc_challenge_25shot", "arc_challenge", 25),
    ("piqa", "piqa", 0),
    ("triviaqa", "triviaqa", 5),
    ("nq_open", "nq_open", 5),
];

#[test]
fn every_recorded_prompt_is_reproduced() {
    for (recording, task, shots) in PROMPTS {
        prompts::compare(recording, task, shots);
    }
}

#[test]
fn a_limit_does_not_change_a_documents_prompt() {
    prompts::compare_limited("nq_open", 5);
    prompts::compare_limited("mmlu", 5);
}

#[test]
fn every_recorded_score_and_aggregate_is_reproduced() {
    for task in gac_harness::task_names() {
        scores::compare(task.name);
    }
}
