use super::*;
use crate::results::OutcomeCounts;
use crate::stats::DocumentScore;
use crate::stats::TaskScores;

fn results(system: &str, members: &[&str], tasks: &[(&str, usize, f64)]) -> SystemResults {
    let result = |&(task, num_fewshot, value): &(&str, usize, f64)| TaskResults {
        version: RECORD_VERSION,
        system: system.into(),
        task: task.into(),
        task_version: "1".into(),
        num_fewshot,
        repeats: 1,
        documents: 2,
        primary: MetricKey { metric: "acc".into(), filter: "none".into() },
        value,
        stderr: None,
        aggregates: vec![],
        outcomes: OutcomeCounts::default(),
        truncated: 0,
        timing: Timing::default(),
        groups: Vec::new(),
    };
    let scores = |&(task, _, value): &(&str, usize, f64)| TaskScores {
        task: task.into(),
        version: "1".into(),
        documents: (0..2)
            .map(|doc_id| DocumentScore { subject: None, doc_id, doc_hash: doc_id.to_string(), value: Some(value) })
            .collect(),
    };
    SystemResults {
        system: system.into(),
        members: members.iter().map(ToString::to_string).collect(),
        served: Vec::new(),
        tasks: tasks.iter().map(result).collect(),
        scores: tasks.iter().map(scores).collect(),
    }
}

#[test]
fn runs_with_other_tasks_leave_gaps_and_no_average() {
    let systems = [results("a", &["a"], &[("x", 0, 0.5), ("y", 0, 0.7)]), results("b", &["b"], &[("y", 0, 0.9)])];
    let merged = Leaderboard::merge(&systems, Mixing::Refused).unwrap();
    assert_eq!(merged.columns.len(), 2);
    assert_eq!(merged.rows[1].scores[0], None);
    assert_eq!((merged.rows[0].average.map(|a| a.value), merged.rows[1].average), (Some(0.6), None));
    assert_eq!(merged.best_single().unwrap().system, "a");
}

#[test]
fn a_column_of_two_protocols_is_refused_unless_asked_for() {
    let systems = [results("a", &["a"], &[("x", 0, 0.5)]), results("b", &["b"], &[("x", 5, 0.9)])];
    let error = Leaderboard::merge(&systems, Mixing::Refused).unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `x` would mix protocols: `a` has 0-shot, version 1, acc,none, 2 documents, `b` has 5-shot, version \
         1, acc,none, 2 documents"
    );
    let mixed = Leaderboard::merge(&systems, Mixing::Allowed).unwrap();
    assert_eq!(mixed.columns[0].mixed, ["5-shot, version 1, acc,none, 2 documents"]);
}

#[test]
fn an_ensemble_is_compared_with_the_best_of_its_own_members() {
    let systems = [
        results("a", &["a"], &[("x", 0, 0.5)]),
        results("b", &["b"], &[("x", 0, 0.6)]),
        results("c", &["c"], &[("x", 0, 0.9)]),
        results("a + b", &["a", "b"], &[("x", 0, 0.7)]),
        results("d + e", &["d", "e"], &[("x", 0, 0.8)]),
    ];
    let mut leaderboard = Leaderboard::new(&systems).unwrap();
    assert!(leaderboard.compare(&systems, Bootstrap::default()).is_empty());
    let found: Vec<(&str, &str, bool)> =
        leaderboard.comparisons.iter().map(|c| (&*c.system, &*c.baseline, c.is_member)).collect();
    assert_eq!(found, [("a + b", "b", true), ("d + e", "c", false)]);
}

#[test]
fn a_perplexity_is_in_no_average_and_the_lowest_is_the_best() {
    let with_perplexity = |name: &str, share, perplexity| {
        let mut system = results(name, &[name], &[("x", 0, share), ("text", 0, perplexity)]);
        system.tasks[1].primary.metric = "word_perplexity".into();
        system
    };
    let systems = [with_perplexity("a", 0.5, 31.0), with_perplexity("b", 0.4, 20.0)];
    let leaderboard = Leaderboard::new(&systems).unwrap();
    assert_eq!(leaderboard.rows[0].average, Some(Estimate::share(0.5, None)));
    let scores = |row: &SystemRow| row.scores[1];
    let best = leaderboard.rows.iter().map(|row| leaderboard.is_best(row.scores[1].unwrap(), scores));
    assert_eq!(best.collect::<Vec<_>>(), [false, true]);
    assert!(leaderboard.shares(&systems[0]).iter().all(|scores| scores.task == "x"));
    let shown = crate::report::terminal(&leaderboard, 100);
    assert!(shown.contains(" 31.00") && shown.contains("*20.00") && shown.contains("*50.00"), "{shown}");
}
