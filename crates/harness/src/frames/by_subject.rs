//! Two systems' samples, compared subject by subject.

use polars::prelude::{DataFrame, IntoLazy, JoinArgs, JoinType, LazyFrame, SortMultipleOptions, col, len, lit};

use super::FrameError;
use super::samples::of_system;
use crate::results::StoredSystem;

/// Pairs the samples of two systems by task, subject and document, and adds them up by subject, sorted by
/// task and subject.
/// Samples without a subject are left out.
///
/// Columns: `task`, `subject`, `documents` (that neither failed on), `failed`, `base` and `new` (means over these
/// documents, 0 to 1; null without any), `better` and `worse` (documents on which `new` is above and below).
///
/// # Errors
/// When polars fails.
pub fn by_subject(base: &StoredSystem, new: &StoredSystem) -> Result<DataFrame, FrameError> {
    let key = ["task", "subject", "doc_id"].map(col);
    let side = |system: &StoredSystem, name: &str| -> Result<LazyFrame, FrameError> {
        let columns = key.iter().cloned().chain([col("value").alias(name)]).collect::<Vec<_>>();
        let samples = of_system(system)?.lazy().select(columns).filter(col("subject").is_not_null());
        // Several times that a document was asked are one document.
        Ok(samples.group_by(key.clone()).agg([col(name).mean()]))
    };
    let pairs = side(base, "base")?.join(side(new, "new")?, &key, &key, JoinArgs::new(JoinType::Inner));
    let both = || col("base").is_not_null().and(col("new").is_not_null());
    let change = || col("new") - col("base");
    let by_subject = pairs.group_by([col("task"), col("subject")]).agg([
        both().sum().alias("documents"),
        (len() - both().sum()).alias("failed"),
        col("base").filter(both()).mean(),
        col("new").filter(both()).mean(),
        change().gt(lit(0.0)).sum().alias("better"),
        change().lt(lit(0.0)).sum().alias("worse"),
    ]);
    Ok(by_subject.sort(["task", "subject"], SortMultipleOptions::default()).collect()?)
}
