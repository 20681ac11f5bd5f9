//! A leaderboard for spreadsheets and notebooks.

use super::leaderboard::Leaderboard;
use crate::stats::PairedDifference;

/// Tidy CSV: one line per system and task, then one with the task `average`.
///
/// Columns: `system`, `members` (models taking part), `task`, `version`, `num_fewshot`, `metric`, `filter`,
/// `documents`, `value` and `stderr` (0 to 1), `ms_per_token`, `latency_basis` (`request` or `throughput`),
/// `ensembled_share` (0 to 1), and for an average that is compared: `baseline`, `difference`, `difference_low` and
/// `difference_high` (95% confidence, 0 to 1); `failed` (documents that are in no score). What is not known, or means
/// nothing for an average, is empty.
///
/// # Panics
/// Never: writing to memory cannot fail, and every line has the same number of fields.
pub fn csv(leaderboard: &Leaderboard) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |fields: [String; 18]| writer.write_record(fields).expect("memory takes every line");
    write(
        [
            "system",
            "members",
            "task",
            "version",
            "num_fewshot",
            "metric",
            "filter",
            "documents",
            "value",
            "stderr",
            "ms_per_token",
            "latency_basis",
            "ensembled_share",
            "baseline",
            "difference",
            "difference_low",
            "difference_high",
            "failed",
        ]
        .map(str::to_owned),
    );
    for row in &leaderboard.rows {
        let columns = leaderboard.columns.iter().map(Some).chain([None]);
        let scores = row.scores.iter().chain([&row.average]);
        let total = Some(row.timing);
        let timings = row.timings.iter().chain([&total]);
        let of_column = |place: usize| row.failed.get(place).copied().unwrap_or(0);
        let failed = (0..leaderboard.columns.len()).map(of_column).chain([row.all_failed()]);
        for (((column, score), timing), failed) in columns.zip(scores).zip(timings).zip(failed) {
            let (Some(score), Some(timing)) = (score, timing) else { continue };
            let compared = leaderboard.comparison(&row.system).filter(|_| column.is_none());
            let of_difference =
                |value: fn(&PairedDifference) -> f64| optional(compared.map(|found| value(&found.paired)));
            let of_column = |text: &dyn Fn(&super::Column) -> String| column.map_or_else(String::new, text);
            write([
                row.system.clone(),
                row.members.to_string(),
                column.map_or_else(|| "average".to_owned(), |column| column.task.clone()),
                of_column(&|column| column.version.clone()),
                of_column(&|column| column.num_fewshot.to_string()),
                of_column(&|column| column.metric.metric.clone()),
                of_column(&|column| column.metric.filter.clone()),
                leaderboard.documents(column).to_string(),
                score.value.to_string(),
                optional(score.stderr),
                optional(timing.ms_per_token),
                timing.latency_basis.map_or_else(String::new, |basis| basis.name().to_owned()),
                optional(timing.ensembled_share),
                compared.map_or_else(String::new, |found| found.baseline.clone()),
                of_difference(|paired| paired.difference),
                of_difference(|paired| paired.low),
                of_difference(|paired| paired.high),
                failed.to_string(),
            ]);
        }
    }
    let bytes = writer.into_inner().expect("memory takes every line");
    String::from_utf8(bytes).expect("every field is a String")
}

fn optional(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::leaderboard::testing;
    use super::*;

    #[test]
    fn there_is_one_line_per_system_and_task_and_one_for_the_average() {
        let mut leaderboard = testing::leaderboard();
        leaderboard.rows.truncate(2);
        leaderboard.rows[1].system = "a, \"b\"".to_owned();
        assert_eq!(
            csv(&leaderboard),
            "\
system,members,task,version,num_fewshot,metric,filter,documents,value,stderr,ms_per_token,latency_basis,ensembled_share,baseline,difference,difference_low,difference_high,failed
mini-llama,1,mmlu_flan_n_shot_generative,1,2,exact_match,none,400,0.5,0.025,10,request,0,,,,,0
mini-llama,1,arc_easy,1,0,acc,none,200,0.6025,0.01,,,,,,,,0
mini-llama,1,average,,,,,600,0.55125,0.013462912017836262,10,request,0,,,,,0
\"a, \"\"b\"\"\",1,mmlu_flan_n_shot_generative,1,2,exact_match,none,400,0.4,0.024,12,request,0,,,,,0
\"a, \"\"b\"\"\",1,arc_easy,1,0,acc,none,200,0.3,,,,,,,,,0
\"a, \"\"b\"\"\",1,average,,,,,600,0.35,,12,request,0,,,,,0
"
        );
    }
}
