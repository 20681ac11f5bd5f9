//! Paths in JSON, also those that are no text: `#[serde(with = "any_path")]` on a path, what holds one, an optional one,
//! or several.

use std::path::{Path, PathBuf};

use gac_inference::TemplateChoice;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Written {
    /// One that is text.
    Text(String),
    /// The bytes of one that is not UTF-8.
    Bytes {
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// What holds paths.
pub trait Paths: Sized {
    /// What stands in JSON for it.
    type Written: Serialize + for<'de> Deserialize<'de>;

    /// As JSON has it.
    fn write(&self) -> Self::Written;
    /// From what JSON has.
    fn read(written: Self::Written) -> Self;
}

impl Paths for PathBuf {
    /// What stands in JSON for it.
    type Written = Written;

    fn write(&self) -> Written {
        match self.to_str() {
            Some(text) => Written::Text(text.to_owned()),
            None => Written::Bytes { bytes: bytes(self) },
        }
    }

    fn read(written: Written) -> Self {
        match written {
            Written::Text(text) => text.into(),
            Written::Bytes { bytes } => of_bytes(bytes),
        }
    }
}

impl<T: Paths> Paths for Option<T> {
    /// What stands in JSON for it.
    type Written = Option<T::Written>;

    fn write(&self) -> Self::Written {
        self.as_ref().map(Paths::write)
    }

    fn read(written: Self::Written) -> Self {
        written.map(Paths::read)
    }
}

impl<T: Paths> Paths for Vec<T> {
    /// What stands in JSON for it.
    type Written = Vec<T::Written>;

    fn write(&self) -> Self::Written {
        self.iter().map(Paths::write).collect()
    }

    fn read(written: Self::Written) -> Self {
        written.into_iter().map(Paths::read).collect()
    }
}

/// A choice as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenChoice {
    /// One of the model's own.
    Name(String),
    /// A file.
    File(Written),
}

impl Paths for TemplateChoice {
    /// What stands in JSON for it.
    type Written = WrittenChoice;

    fn write(&self) -> WrittenChoice {
        match self {
            Self::Name(name) => WrittenChoice::Name(name.clone()),
            Self::File(path) => WrittenChoice::File(path.write()),
        }
    }

    fn read(written: WrittenChoice) -> Self {
        match written {
            WrittenChoice::Name(name) => Self::Name(name),
            WrittenChoice::File(path) => Self::File(PathBuf::read(path)),
        }
    }
}

/// Writes what holds paths, for `serde(with)`.
///
/// # Errors
/// The serializer's.
pub fn serialize<T: Paths, S: Serializer>(paths: &T, serializer: S) -> Result<S::Ok, S::Error> {
    paths.write().serialize(serializer)
}

/// Reads what holds paths, for `serde(with)`.
///
/// # Errors
/// The deserializer's.
pub fn deserialize<'de, T: Paths, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::Written::deserialize(deserializer).map(T::read)
}

#[cfg(unix)]
fn bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        #[serde(with = "super")]
        one: PathBuf,
        #[serde(with = "super")]
        maybe: Option<PathBuf>,
        #[serde(with = "super")]
        many: Vec<PathBuf>,
        #[serde(with = "super")]
        template: Option<TemplateChoice>,
    }

    #[test]
    fn a_path_is_text_where_it_can_be_and_every_path_comes_back() {
        let odd = of_bytes(b"o\xff/x".to_vec());
        let bytes = r#"{"bytes":[111,255,47,120]}"#;
        for (template, written) in [
            (None, "null".to_owned()),
            (Some(TemplateChoice::Name("rag".to_owned())), r#"{"name":"rag"}"#.to_owned()),
            (Some(TemplateChoice::File("a.jinja".into())), r#"{"file":"a.jinja"}"#.to_owned()),
            (Some(TemplateChoice::File(odd.clone())), format!(r#"{{"file":{bytes}}}"#)),
        ] {
            let holder = Holder { one: "a/b".into(), maybe: None, many: vec![odd.clone(), "ü".into()], template };
            let json = serde_json::to_string(&holder).unwrap();
            let expected = format!(r#"{{"one":"a/b","maybe":null,"many":[{bytes},"ü"],"template":{written}}}"#);
            assert_eq!(json, expected);
            assert_eq!(serde_json::from_str::<Holder>(&json).unwrap(), holder);
        }
    }
}
