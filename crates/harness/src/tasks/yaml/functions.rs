//! What stands here for functions of Python that lm-evaluation-harness's tasks name.
//!
//! Nothing of Python is run. A function is known by the contents of its file and by its name: the files in
//! `crates/harness/functions` say, for files of lm-evaluation-harness, what their functions do in the words of task definitions.
//! A file with one letter changed is another file, and its functions are refused.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gac_systems::sha256;
use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::data::Row;
use crate::filters::FilterStep;
use crate::metrics::MetricDefinition;
use crate::python::assigned;
use crate::python::repr::repr;
use crate::tasks::harness_file::list_of_function;
use crate::tasks::process::{ColumnTemplate, RowFilter, RowProcess};

/// The files that say what stands for what.
static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/functions");

/// All of them, by the SHA-256 of a file of Python.
static KNOWN: LazyLock<HashMap<&'static str, ModuleStandIn>> = LazyLock::new(|| {
    let mut known = HashMap::new();
    for file in FILES.files() {
        let text = file.contents_utf8().expect("built-in files are UTF-8");
        let file: FunctionsFile = toml::from_str(text).expect("built-in files are right; a test reads each of them");
        for module in file.module {
            for hash in module.files.values() {
                known.insert(hash.clone().leak() as &str, module.clone());
            }
        }
    }
    known
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionsFile {
    module: Vec<ModuleStandIn>,
}

/// What stands for the functions of files of Python that say the same.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModuleStandIn {
    /// Where lm-evaluation-harness 0.4.13 has them (of equal ones, one), with their SHA-256.
    files: BTreeMap<String, String>,
    /// Names of literals in the file that templates may use: texts and tables stay where they are.
    #[serde(default)]
    constants: Vec<TemplateConstant>,
    /// By a function's name. One that ends in `*` stands for all that begin so; `{name}` is then what stands for the star.
    functions: BTreeMap<String, StandIn>,
}

/// A literal that templates may use.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum TemplateConstant {
    /// One of the file itself.
    Own(String),
    /// A part of a table in another file: the part that has the name of the file's folder.
    OfFolder {
        /// Its name in templates.
        name: String,
        /// The other file, from the file's folder on.
        file: PathBuf,
        /// The table's name there.
        table: String,
    },
}

/// What stands for a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum StandIn {
    /// A template that writes what the function gives.
    Template(String),
    /// What is made of a split's rows.
    Rows(RowsStandIn),
    /// A metric, by its own function or by the one that puts documents together.
    Metric(MetricDefinition),
    /// The metrics of a document.
    Metrics(MetricsStandIn),
    /// A filter of this name, which takes the function's settings.
    Filter(FilterStandIn),
    /// The rows that shots are made of: the list that the function returns.
    Shots(Vec<Row>),
}

/// What is made of a split's rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowsStandIn {
    /// Which rows stay; all without it.
    #[serde(default)]
    pub(super) keep: Option<RowFilter>,
    /// What is made of each.
    #[serde(default)]
    pub(super) process: Option<RowProcess>,
}

/// What stands for a filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterStandIn {
    /// lm-evaluation-harness's name of the filter.
    pub(super) name: String,
    /// Columns that the filter reads.
    #[serde(default)]
    pub(super) columns: BTreeMap<String, ColumnTemplate>,
}

/// What stands for `process_results`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricsStandIn {
    /// The metrics.
    pub(super) list: Vec<MetricDefinition>,
    /// What is the reference, where it is not `doc_to_target`.
    #[serde(default)]
    pub(super) target: Option<String>,
    /// A template of a list that says of each choice whether it is right.
    #[serde(default)]
    pub(super) right_choices: Option<String>,
    /// A template of the text whose words and bytes are counted.
    #[serde(default)]
    pub(super) measured: Option<String>,
    /// A template of the text that says how the answer comes about.
    #[serde(default)]
    pub(super) solution: Option<String>,
    /// What is made of rows for these.
    #[serde(default)]
    pub(super) process: Option<RowProcess>,
    /// The filter's steps that the function does itself.
    #[serde(default)]
    pub(super) steps: Vec<FilterStep>,
}

/// Finds what stands for functions; reads each file of Python once.
#[derive(Default)]
pub(super) struct PythonFunctions {
    modules: HashMap<PathBuf, Option<Module>>,
}

/// A file of Python that is known.
#[derive(Clone)]
struct Module {
    known: &'static ModuleStandIn,
    source: String,
    /// Its constants as templates set them.
    constants: Vec<(String, String)>,
}

impl PythonFunctions {
    /// What stands for the function `name` (`utils.process_docs`) of a file in `folder`.
    pub(super) fn stand_in(&mut self, folder: &Path, name: &str) -> Option<Json> {
        let (module, function) = name.rsplit_once('.')?;
        let path = folder.join(format!("{}.py", module.replace('.', "/")));
        let module = self.modules.entry(path).or_insert_with_key(|path| Module::read(path)).as_ref()?;
        serde_json::to_value(module.function(function)?).ok()
    }
}

impl Module {
    /// None of a file that is not there or not known.
    fn read(path: &Path) -> Option<Self> {
        let source = std::fs::read_to_string(path).ok()?.replace("\r\n", "\n");
        let known = KNOWN.get(sha256::of_bytes(&source).as_str())?;
        let constant = |constant: &TemplateConstant| match constant {
            TemplateConstant::Own(name) => Some((name.clone(), assigned(&source, name)?)),
            TemplateConstant::OfFolder { name, file, table } => {
                let folder = path.parent()?;
                let other = std::fs::read_to_string(folder.join(file)).ok()?;
                let part = assigned(&other, table)?.get(folder.file_name()?.to_str()?)?.clone();
                Some((name.clone(), part))
            }
        };
        let constants = known.constants.iter().map(constant).collect::<Option<Vec<_>>>()?;
        let constants = constants.into_iter().map(|(name, value)| (name, repr(&value))).collect();
        Some(Self { known, source, constants })
    }

    fn function(&self, name: &str) -> Option<StandIn> {
        let functions = &self.known.functions;
        let of_star = || {
            functions
                .iter()
                .find_map(|(known, stand_in)| Some((stand_in, name.strip_prefix(known.strip_suffix('*')?)?)))
        };
        let (found, star) = functions.get(name).map(|found| (found, "")).or_else(of_star)?;
        Some(match found.clone() {
            StandIn::Template(template) => StandIn::Template(self.with_constants(&template)),
            StandIn::Rows(rows) => StandIn::Rows(RowsStandIn {
                keep: rows.keep.map(|keep| keep.of_name(star)),
                process: rows.process.map(|process| process.map_templates(&|template| self.with_constants(template))),
            }),
            StandIn::Shots(_) => StandIn::Shots(list_of_function(&self.source, name)?),
            other => other,
        })
    }

    /// A template with those constants in front that it names.
    fn with_constants(&self, template: &str) -> String {
        let named = self.constants.iter().filter(|(name, _)| template.contains(name.as_str()));
        let set = named.map(|(name, value)| format!("{{% set {name} = {value} %}}"));
        set.chain([template.to_owned()]).collect::<Vec<_>>().concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_file_is_right_and_no_file_of_python_stands_in_two() {
        let listed: usize = FILES
            .files()
            .map(|file| {
                let file: FunctionsFile = toml::from_str(file.contents_utf8().unwrap()).unwrap();
                let hashes = |module: &ModuleStandIn| module.files.len();
                file.module.iter().map(hashes).sum::<usize>()
            })
            .sum();
        assert_eq!(listed, KNOWN.len());
        assert!(KNOWN.keys().all(|hash| hash.len() == 64));
    }

    #[test]
    fn a_file_with_a_letter_changed_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("utils.py"), "def process_docs(dataset):\n    return dataset\n").unwrap();
        assert_eq!(PythonFunctions::default().stand_in(folder.path(), "utils.process_docs"), None);
        assert_eq!(PythonFunctions::default().stand_in(folder.path(), "nothing.process_docs"), None);
    }
}
