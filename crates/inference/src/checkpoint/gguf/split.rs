//! Models in several files, as llama.cpp's `gguf-split` makes them: `NAME-00001-of-00003.gguf` and so on.

use std::path::{Path, PathBuf};

/// Digits of a part's number in its name.
const DIGITS: usize = 5;

/// All parts of the model that `path` is one of, by its name alone; none for other names.
pub(super) fn split_files(path: &Path) -> Option<Vec<PathBuf>> {
    let extension = path.extension()?;
    let stem = path.file_stem()?.to_str()?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let parse = |text: &str| -> Option<usize> {
        let plain = text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_digit());
        if plain { text.parse().ok() } else { None }
    };
    let (number, count) = (parse(number)?, parse(count)?);
    if !(1..=count).contains(&number) {
        return None;
    }
    let part = |number: usize| {
        let mut file = std::ffi::OsString::from(format!("{name}-{number:0DIGITS$}-of-{count:0DIGITS$}."));
        file.push(extension);
        path.with_file_name(file)
    };
    Some((1..=count).map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_found_from_any() {
        let expected = ["/a/x-of-y-00001-of-00002.gguf", "/a/x-of-y-00002-of-00002.gguf"].map(PathBuf::from);
        for path in &expected {
            assert_eq!(split_files(path).as_deref(), Some(&expected[..]));
        }
        for name in
            ["x.gguf", "x-00003-of-00002.gguf", "x-00000-of-00002.gguf", "x-1-of-2.gguf", "x-0000+-of-00002.gguf"]
        {
            assert_eq!(split_files(Path::new(name)), None, "{name}");
        }
    }
}
