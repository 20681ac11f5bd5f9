//! A leaderboard for spreadsheets.

use polars::prelude::{AnyValue, DataFrame};

use super::leaderboard::Leaderboard;
use super::scores::scores;
use crate::frames::FrameError;

/// [`scores`] as CSV. What is not known, or means nothing for an average, is empty.
///
/// # Errors
/// When the table cannot be worked out.
pub fn csv(leaderboard: &Leaderboard) -> Result<String, FrameError> {
    Ok(text(&scores(leaderboard)?))
}

/// A frame as CSV, with a heading.
fn text(frame: &DataFrame) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |fields: &[String]| writer.write_record(fields).expect("memory takes every line");
    write(&frame.columns().iter().map(|column| column.name().to_string()).collect::<Vec<_>>());
    for line in 0..frame.height() {
        write(
            &frame.columns().iter().map(|column| field(column.get(line).unwrap_or(AnyValue::Null))).collect::<Vec<_>>(),
        );
    }
    let bytes = writer.into_inner().expect("memory takes every line");
    String::from_utf8(bytes).expect("every field is a String")
}

fn field(value: AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => text.to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        // As Rust writes it: the shortest that reads back as the same number.
        AnyValue::Float64(number) => number.to_string(),
        other => other.to_string(),
    }
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
            csv(&leaderboard).unwrap(),
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
