//! The files of a split in a folder laid out as the hub lays out a data set.

use std::fs;
use std::path::{Path, PathBuf};

use super::dataset::Dataset;
use super::error::DataError;

/// The files of `split` under `root` (the data set's own folder), in order; `None` when there are none.
///
/// Two layouts are known: `<config>/<split>-00000-of-00001.parquet`, and the hub's converted
/// `<config>/<split>/0000.parquet`.
///
/// # Errors
/// When a shard is missing.
pub(super) fn find(root: &Path, dataset: &Dataset, split: &str) -> Result<Option<Vec<PathBuf>>, DataError> {
    let config = root.join(&dataset.config);
    let mut shards: Vec<(usize, usize, PathBuf)> = entries(&config)
        .into_iter()
        .filter_map(|path| {
            let (index, count) = shard(path.file_name()?.to_str()?, split)?;
            Some((index, count, path))
        })
        .collect();
    if let Some(&(_, count, _)) = shards.first() {
        // Two sets side by side: the first one named decides.
        shards.retain(|shard| shard.1 == count);
        shards.sort();
        if let Some(missing) = (0..count).find(|index| !shards.iter().any(|shard| shard.0 == *index)) {
            return Err(DataError::MissingShard {
                dataset: dataset.id.clone(),
                split: split.to_owned(),
                missing: config.join(format!("{split}-{missing:05}-of-{count:05}.parquet")),
            });
        }
        return Ok(Some(shards.into_iter().map(|shard| shard.2).collect()));
    }
    let converted: Vec<PathBuf> = entries(&config.join(split))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect();
    Ok(if converted.is_empty() { None } else { Some(converted) })
}

/// Where a single-file split would be, in both layouts.
pub(super) fn expected(root: &Path, dataset: &Dataset, split: &str) -> Vec<PathBuf> {
    let config = root.join(&dataset.config);
    vec![config.join(format!("{split}-00000-of-00001.parquet")), config.join(split).join("0000.parquet")]
}

/// Which of the data set's files, named from its root, belong to `split`.
pub(super) fn of_split<'a>(names: impl Iterator<Item = &'a str>, dataset: &Dataset, split: &str) -> Vec<&'a str> {
    let (mut shards, mut converted) = (Vec::new(), Vec::new());
    for name in names {
        let Some(inner) = name.strip_prefix(&dataset.config).and_then(|rest| rest.strip_prefix('/')) else { continue };
        if shard(inner, split).is_some() {
            shards.push(name);
        } else if inner
            .strip_prefix(split)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|file| file.strip_suffix(".parquet").is_some_and(|stem| !stem.contains('/')))
        {
            converted.push(name);
        }
    }
    let mut names = if shards.is_empty() { converted } else { shards };
    names.sort_unstable();
    names
}

/// Index and count of a shard named `<split>-00000-of-00001.parquet`.
fn shard(name: &str, split: &str) -> Option<(usize, usize)> {
    let rest = name.strip_prefix(split)?.strip_prefix('-')?.strip_suffix(".parquet")?;
    let (index, count) = rest.split_once("-of-")?;
    Some((index.parse().ok()?, count.parse().ok()?))
}

/// A folder's entries, sorted; none when it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn dataset() -> Dataset {
        Dataset { id: "a/b".to_owned(), config: "main".to_owned(), revision: "main".to_owned(), files: BTreeMap::new() }
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(found: Option<Vec<PathBuf>>) -> Vec<String> {
        found.unwrap_or_default().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn shards_are_found_in_order_and_other_splits_left_alone() {
        let folder = folder(&[
            "main/test-00001-of-00002.parquet",
            "main/test-00000-of-00002.parquet",
            "main/train-00000-of-00001.parquet",
            "main/test2-00000-of-00001.parquet",
        ]);
        let found = names(find(folder.path(), &dataset(), "test").unwrap());
        assert_eq!(found, ["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"]);
    }

    #[test]
    fn a_missing_shard_is_named() {
        let folder = folder(&["main/test-00000-of-00002.parquet"]);
        let error = find(folder.path(), &dataset(), "test").unwrap_err();
        assert!(error.to_string().contains("test-00001-of-00002.parquet is missing"), "{error}");
    }

    #[test]
    fn the_converted_layout_is_known() {
        let folder = folder(&["main/test/0000.parquet", "main/test/0001.parquet"]);
        assert_eq!(names(find(folder.path(), &dataset(), "test").unwrap()), ["0000.parquet", "0001.parquet"]);
        assert!(find(folder.path(), &dataset(), "train").unwrap().is_none());
    }

    #[test]
    fn a_split_is_picked_from_the_hubs_list_of_files() {
        let files = ["README.md", "main/test-00000-of-00001.parquet", "other/test-00000-of-00001.parquet"];
        assert_eq!(of_split(files.into_iter(), &dataset(), "test"), ["main/test-00000-of-00001.parquet"]);
        let files = ["main/test/0001.parquet", "main/test/0000.parquet"];
        assert_eq!(
            of_split(files.into_iter(), &dataset(), "test"),
            ["main/test/0000.parquet", "main/test/0001.parquet"]
        );
    }
}
