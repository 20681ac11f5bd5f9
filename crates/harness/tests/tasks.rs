//! Tasks from data folder to aggregate, on invented rows.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "support/parquet.rs"]
mod parquet_file;

use std::path::Path;

use gac_ensemble::LogLikelihood;
use gac_harness::tasks::Limit;
use gac_harness::{Answer, DataSource, Outcome, Request, TaskError, TaskOptions, TaskRegistry, load_task};
use serde_json::json;

fn options(num_fewshot: usize) -> TaskOptions {
    TaskOptions { num_fewshot: Some(num_fewshot), ..TaskOptions::default() }
}

/// Two subjects lm-evaluation-harness knows and one it does not.
fn mmlu(folder: &Path) {
    mmlu_with(folder, [0, 1, 2, 3, 0, 1]);
}

/// [`mmlu`] whose questions have these answers.
fn mmlu_with(folder: &Path, answers: [i64; 6]) {
    for (file, subjects) in [
        ("dev", ["virology", "anatomy", "zorb_law"].repeat(2)),
        ("test", vec!["virology", "virology", "anatomy", "anatomy", "zorb_law", "zorb_law"]),
    ] {
        let answers = if file == "test" { answers } else { [0, 1, 2, 3, 0, 1] };
        let row = |((row, subject), answer)| {
            let choices = ["red", "blue", "green", "grey"];
            let question = format!(" {file} question {row}? ");
            json!({ "question": question, "subject": subject, "choices": choices, "answer": answer })
        };
        let rows: Vec<_> = subjects.into_iter().enumerate().zip(answers).map(row).collect();
        parquet_file::write(&folder.join(format!("cais/mmlu/all/{file}-00000-of-00001.parquet")), &rows);
    }
}

/// One question of triviaqa.
fn triviaqa(folder: &Path, aliases: [&str; 2]) {
    let answer = json!({ "aliases": aliases });
    let row = json!({ "question": "which sign is in a zorb address", "question_id": "z1", "answer": answer });
    let file = "mandarjoshi/trivia_qa/rc.nocontext/validation-00000-of-00001.parquet";
    parquet_file::write(&folder.join(file), &[row]);
}

#[test]
fn subjects_come_in_alphabetical_order_each_with_its_own_shots_and_groups() {
    let folder = tempfile::tempdir().unwrap();
    mmlu(folder.path());
    let task = load_task("mmlu", &DataSource::new(Some(folder.path().to_owned())), &options(2)).unwrap();

    let order: Vec<(&str, usize)> =
        task.documents.iter().map(|document| (document.subject.as_deref().unwrap(), document.id)).collect();
    assert_eq!(
        order,
        [("anatomy", 0), ("anatomy", 1), ("virology", 0), ("virology", 1), ("zorb_law", 0), ("zorb_law", 1)]
    );
    let Request::Choose { context, continuations } = &task.documents[4].request else { panic!("a choice") };
    assert_eq!(
        *context,
        "The following are multiple choice questions (with answers) about zorb law.\n\n\
         dev question 2?\nA. red\nB. blue\nC. green\nD. grey\nAnswer: C\n\n\
         dev question 5?\nA. red\nB. blue\nC. green\nD. grey\nAnswer: B\n\n\
         test question 4?\nA. red\nB. blue\nC. green\nD. grey\nAnswer:"
    );
    assert_eq!(*continuations, [" A", " B", " C", " D"]);

    // Always "A": right for one document of virology and one of zorb_law.
    let scores = |sum| LogLikelihood { sum, greedy: false, tokens: Vec::new(), truncated: false };
    let answer = Answer::Scores([-1.0, -2.0, -2.0, -2.0].map(scores).to_vec());
    let scored: Vec<_> =
        task.documents.iter().map(|document| (document, task.scorer.score(document, &answer))).collect();
    let scored: Vec<_> = scored.iter().map(|(document, score)| (*document, score)).collect();
    let aggregates = task.scorer.aggregate(&scored);
    let named: Vec<(&str, usize)> = aggregates.iter().map(|own| (own.name.as_str(), own.documents)).collect();
    let groups = [("mmlu", 6), ("mmlu_other", 2), ("mmlu_stem", 2)];
    let subtasks = [("mmlu_anatomy", 2), ("mmlu_virology", 2), ("mmlu_zorb_law", 2)];
    assert_eq!(named, [groups, subtasks].concat());
    assert!((aggregates[0].value - 1.0 / 3.0).abs() < 1e-12);
    assert!((aggregates[1].value - 0.5).abs() < 1e-12);
}

#[test]
fn an_answer_outside_of_the_choices_is_named_with_its_file_and_row() {
    for (answer, task) in [(4, "mmlu"), (-1, "mmlu"), (7, "mmlu_flan_n_shot_generative"), (-1, "mmlu@unite")] {
        let folder = tempfile::tempdir().unwrap();
        // Row 3 of the file is document 1 of anatomy.
        mmlu_with(folder.path(), [0, 1, 2, answer, 0, 1]);
        let data = DataSource::new(Some(folder.path().to_owned()));
        let said = load_task(task, &data, &options(0)).err().unwrap().to_string();
        let file = folder.path().join("cais/mmlu/all/test-00000-of-00001.parquet");
        let subtask = format!("{}_anatomy", task.split('@').next().unwrap());
        assert_eq!(
            said,
            format!(
                "row 3 (from 0) of `{}` does not fit task `{subtask}`: its answer is {answer}, but its choices are \
                 numbered 0 to 3",
                file.display()
            )
        );
        let virology = format!("{}_virology", task.split('@').next().unwrap());
        let task = task.replacen(task.split('@').next().unwrap(), &virology, 1);
        assert!(load_task(&task, &data, &options(0)).is_ok(), "other rows are read");
    }
}

#[test]
fn a_limit_is_per_subject() {
    let folder = tempfile::tempdir().unwrap();
    mmlu(folder.path());
    let data = DataSource::new(Some(folder.path().to_owned()));
    let task =
        load_task("mmlu", &data, &TaskOptions { limit: Limit::documents(1).ok(), ..TaskOptions::default() }).unwrap();
    assert_eq!(task.num_fewshot, 0);
    assert_eq!(task.documents.len(), 3);
}

#[test]
fn too_many_shots_are_refused_with_the_number_there_is() {
    let folder = tempfile::tempdir().unwrap();
    mmlu(folder.path());
    let data = DataSource::new(Some(folder.path().to_owned()));
    let error = load_task("mmlu", &data, &options(3)).err().unwrap();
    assert!(matches!(error, TaskError::TooFewShots { available: 2, needed: 3, .. }), "{error}");
    assert!(error.to_string().starts_with("mmlu_anatomy has 2 rows"), "{error}");
}

#[test]
fn an_empty_response_is_no_answer_even_where_the_metric_credits_it() {
    let folder = tempfile::tempdir().unwrap();
    triviaqa(folder.path(), ["@", "at sign"]);
    let task = load_task("triviaqa", &DataSource::new(Some(folder.path().to_owned())), &options(0)).unwrap();
    let document = &task.documents[0];
    let score = |response: &str| {
        let score = task.scorer.score(document, &Answer::Text(response.to_owned()));
        (score.outcome, score.filters[0].metrics[0].1 > 0.0)
    };
    assert_eq!(score(" \n"), (Outcome::NoAnswer, true));
    assert_eq!(score(" At sign!"), (Outcome::Correct, true));
    assert_eq!(score("hash"), (Outcome::Wrong, false));

    let wrong_kind = task.scorer.score(document, &Answer::Scores(Vec::new()));
    assert!(matches!(wrong_kind.outcome, Outcome::Failed { .. }));
}

#[test]
fn a_published_rule_that_credits_empty_answers_stands_beside_a_sound_one() {
    let folder = tempfile::tempdir().unwrap();
    triviaqa(folder.path(), ["@", "The at-sign"]);
    let data = DataSource::new(Some(folder.path().to_owned()));
    for task in ["triviaqa@deepen", "triviaqa@unite"] {
        let task = load_task(task, &data, &options(0)).unwrap();
        let score = |response: &str| {
            let score = task.scorer.score(&task.documents[0], &Answer::Text(response.to_owned()));
            let values: Vec<(String, bool)> =
                score.filters[0].metrics.iter().map(|(name, value)| (name.clone(), *value > 0.0)).collect();
            (score.outcome, values)
        };
        let metrics = |sound, published| {
            vec![("normalised_match".to_owned(), sound), ("normalised_match_as_published".to_owned(), published)]
        };
        assert_eq!(score(" \n"), (Outcome::NoAnswer, metrics(false, true)));
        assert_eq!(score(" an ATSIGN."), (Outcome::Correct, metrics(true, true)));
        assert_eq!(score(" hash"), (Outcome::Wrong, metrics(false, false)));
    }
}

#[test]
fn a_letter_of_one_token_is_scored_and_the_mean_of_means_is_labelled_as_published() {
    let folder = tempfile::tempdir().unwrap();
    mmlu(folder.path());
    let data = DataSource::new(Some(folder.path().to_owned()));
    let task = load_task("mmlu@unite", &data, &options(1)).unwrap();
    let Request::Generate { prompt, max_new_tokens, .. } = &task.documents[0].request else { panic!("a prompt") };
    assert_eq!(
        (prompt.as_str(), *max_new_tokens),
        (
            "Answer the question by replying A, B, C or D.\n\
             Question:  dev question 1? \nA: red\nB: blue\nC: green\nD: grey\nAnswer: B\n\
             Question:  test question 2? \nA: red\nB: blue\nC: green\nD: grey\nAnswer:",
            1
        )
    );
    // Right answers are C, D (anatomy), A, B (virology), A, B (zorb_law).
    let answers = [" C", "(A", " A", "\u{2581}", " Apple", "B"];
    let scored: Vec<_> = task
        .documents
        .iter()
        .zip(answers)
        .map(|(document, text)| (document, task.scorer.score(document, &Answer::Text(text.to_owned()))))
        .collect();
    let outcomes: Vec<&Outcome> = scored.iter().map(|(_, score)| &score.outcome).collect();
    let (right, wrong, none) = (&Outcome::Correct, &Outcome::Wrong, &Outcome::NoAnswer);
    assert_eq!(outcomes, [right, wrong, right, none, none, right]);
    let scored: Vec<_> = scored.iter().map(|(document, score)| (*document, score)).collect();
    let aggregates = task.scorer.aggregate(&scored);
    let of = |name: &str, metric: &str| {
        let found =
            aggregates.iter().find(|own| own.name == name && own.key.metric == metric && own.key.filter == "letter");
        found.unwrap().value
    };
    assert!((of("mmlu@unite", "exact_match") - 0.5).abs() < 1e-12);
    // After one document 1, after two 1/2; the other way round in zorb_law.
    assert!((of("mmlu_anatomy", "running_mean_as_published") - 0.75).abs() < 1e-12);
    assert!((of("mmlu_zorb_law", "running_mean_as_published") - 0.25).abs() < 1e-12);
}

#[test]
fn a_missing_file_is_an_error_that_says_where_it_was_looked_for() {
    let error = load_task("gsm8k", &DataSource::new(Some("/nowhere".into())), &options(0)).err().unwrap();
    assert_eq!(error.to_string(), "failed to load the data of task `gsm8k`");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("/nowhere/openai/gsm8k"), "{cause}");
}

#[test]
fn documents_with_the_same_value_in_a_column_are_of_one_group() {
    let folder = tempfile::tempdir().unwrap();
    mmlu(folder.path());
    let load = |column: &str| {
        let text = format!("name = \"mine\"\nextends = \"mmlu\"\ngroup_by = \"{column}\"\n");
        std::fs::write(folder.path().join("mine.toml"), text).unwrap();
        let registry = TaskRegistry::with_folders(&[folder.path().to_path_buf()])?;
        registry.load("mine", &DataSource::new(Some(folder.path().to_path_buf())), &options(0))
    };
    let task = load("answer").unwrap();
    assert!(task.documents.iter().all(|document| document.group.is_some()));
    // Answers are 0, 1, 2, 3, 0 and 1.
    let mut groups: Vec<&Option<String>> = task.documents.iter().map(|document| &document.group).collect();
    groups.sort();
    groups.dedup();
    assert_eq!((task.documents.len(), groups.len()), (6, 4));
    let error = load("passage").err().unwrap().to_string();
    assert!(error.contains("`group_by` is `passage`, which is none of its columns"), "{error}");
}
