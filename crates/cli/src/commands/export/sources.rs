//! What an export tells beyond the run's folder.

use gac_harness::export::{ExportSources, TaskSources};
use gac_harness::results::{SampleRecord, StoredRun};
use gac_harness::tasks::TaskRows;
use gac_harness::{DataSource, TaskRegistry};
use gac_inference::{DeviceList, ModelFacts, ModelSource};
use gac_systems::{ModelOrigin, ModelStore};

use crate::commands::planning::options;
use crate::commands::rerun;
use crate::failure::Failure;
use crate::printer::Printer;

/// What the run's folder does not hold of its tasks, as far as it is on this machine; of the rest a warning.
pub(super) fn of_tasks(run: &StoredRun, printer: &mut Printer) -> ExportSources {
    let plan = rerun::plan(&run.manifest, None);
    let registry = match TaskRegistry::with_folders(&plan.include_path) {
        Ok(registry) => registry,
        Err(error) => {
            warn(printer, "the run's own task definitions are not here", error);
            TaskRegistry::built_in()
        }
    };
    let data = DataSource::new(plan.data_dir.clone());
    let mut sources = ExportSources::default();
    for entry in &run.manifest.tasks {
        let name = &entry.name;
        let mut task = TaskSources { outline: registry.outline(name).ok(), ..TaskSources::default() };
        match registry.rows(name, &data) {
            Ok(rows) => {
                let others = others(run, name, &rows);
                if others > 0 {
                    let text = format!(
                        "`doc` has no fields for {others} samples of `{name}`: the data hold other documents now"
                    );
                    printer.warning(&text, None);
                }
                task.rows = rows;
                let settings = plan.tasks.iter().find(|task| task.name == *name).map(options).unwrap_or_default();
                task.loaded = registry.load(name, &data, &settings).ok();
            }
            Err(error) => warn(printer, &format!("`doc` has no fields of the documents of `{name}`"), error),
        }
        sources.tasks.insert(name.clone(), task);
    }
    sources
}

/// As [`of_tasks`], with what the models' files say.
pub(super) fn of_tasks_and_models(run: &StoredRun, printer: &mut Printer) -> ExportSources {
    let plan = rerun::plan(&run.manifest, None);
    let mut sources = of_tasks(run, printer);
    for model in &plan.models {
        let source = match &model.source {
            ModelOrigin::Path(path) => ModelSource::local(path),
            ModelOrigin::Hub(id) => ModelSource::parse(id),
            ModelOrigin::Server(_) => {
                printer
                    .warning(&format!("model `{}` is on a server: what its files say is left out", model.name), None);
                continue;
            }
        };
        let here = source.and_then(|source| {
            let is_here = source.missing().is_empty();
            if is_here { ModelFacts::read(&source).map(Some) } else { Ok(None) }
        });
        match here {
            Ok(Some(facts)) => {
                sources.models.insert(model.name.clone(), facts);
            }
            Ok(None) => printer.warning(
                &format!("model `{}` is not on this machine: what its files say is left out", model.name),
                None,
            ),
            Err(error) => warn(printer, &format!("what the files of model `{}` say is left out", model.name), error),
        }
    }
    let mut store = ModelStore::new(plan.models.clone(), DeviceList::default(), plan.batch_size);
    for system in &plan.systems {
        let members = || system.members.iter().all(|name| sources.models.contains_key(name));
        if members() {
            match store.chat_templates(system) {
                Ok(templates) => {
                    sources.templates.insert(system.name.clone(), templates);
                }
                Err(error) => {
                    warn(printer, &format!("chats of system `{}` are written as plain text", system.name), error);
                }
            }
        }
    }
    sources
}

fn warn(printer: &mut Printer, what: &str, error: impl Into<anyhow::Error>) {
    let failure = Failure::from(error);
    printer.warning(&format!("{what}: {}", failure.message()), failure.hint().as_deref());
}

/// Samples of a task whose documents are not those of the data.
fn others(run: &StoredRun, task: &str, rows: &TaskRows) -> usize {
    let samples = run.systems.iter().flat_map(|system| &system.tasks).filter(|done| done.entry.name == task);
    let is_other =
        |sample: &&SampleRecord| rows.row(sample.subject.as_deref(), sample.doc_id, &sample.doc_hash).is_none();
    samples.flat_map(|done| &done.samples).filter(is_other).count()
}
