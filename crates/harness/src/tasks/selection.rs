//! What can be asked for by name: tasks, their groups and subtasks, and patterns of such names.

use std::collections::{BTreeSet, HashMap};

use glob::Pattern;

use super::categories;
use super::definition::{SubjectsDefinition, TaskDefinition};
use super::template::{Template, context};
use crate::task::TaskGroup;

/// What stands between a task's name and its protocol.
const PROTOCOL: char = '@';

/// A task as it was asked for: all of it, or some of its subjects.
#[derive(Clone, Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) name: String,
    pub(super) definition: &'a TaskDefinition,
    pub(super) part: Part,
    /// The groups of lm-evaluation-harness's form that it was asked for as a part of, the outermost first.
    pub(crate) groups: Vec<TaskGroup>,
}

/// Which of a task's documents are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// The subjects of one of its groups.
    Group(Vec<String>),
    /// One subject.
    Subtask(String),
}

impl Part {
    /// Whether documents of `subject` belong to it.
    pub(super) fn has(&self, subject: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Group(subjects) => subjects.iter().any(|known| known == subject),
            Self::Subtask(only) => only == subject,
        }
    }

    /// Whether all documents of `other` belong to it.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole, _) => true,
            (_, Self::Whole) => false,
            (_, Self::Group(subjects)) => subjects.iter().all(|subject| self.has(subject)),
            (_, Self::Subtask(subject)) => self.has(subject),
        }
    }
}

impl<'a> Selection<'a> {
    /// All of a task.
    pub(super) fn whole(definition: &'a TaskDefinition) -> Self {
        Self { name: definition.name.clone(), definition, part: Part::Whole, groups: Vec::new() }
    }

    /// Whether it has all documents of `other`.
    fn covers(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name && self.part.covers(&other.part)
    }

    /// The names of its subtasks, as `--samples` and lm-evaluation-harness's files have them; its own where the task
    /// has no subjects.
    pub(crate) fn leaves(&self) -> Vec<String> {
        let parts = parts(self.definition).into_iter();
        let leaves = parts.filter(|(_, part)| matches!(part, Part::Subtask(subject) if self.part.has(subject)));
        let leaves: Vec<String> = leaves.map(|(name, _)| name).collect();
        if leaves.is_empty() { vec![self.name.clone()] } else { leaves }
    }
}

/// What a name among `tasks` stands for: several subtasks where it is lm-evaluation-harness's tag. A task goes before a
/// part of another one. Nothing for an unknown name.
pub(super) fn named<'a>(tasks: &'a [TaskDefinition], name: &str) -> Vec<Selection<'a>> {
    let whole = |task: &&TaskDefinition| task.name == name || other_names(task).any(|other| other == name);
    if let Some(definition) = tasks.iter().find(|task| task.name == name).or_else(|| tasks.iter().find(whole)) {
        return vec![Selection { name: name.to_owned(), ..Selection::whole(definition) }];
    }
    let of_task = |definition: &'a TaskDefinition| {
        let found = parts(definition).into_iter().find(|(known, _)| known == name);
        found.map(|(name, part)| Selection { name, part, ..Selection::whole(definition) })
    };
    if let Some(part) = tasks.iter().find_map(of_task) {
        return vec![part];
    }
    tasks.iter().map(|definition| tagged(definition, name)).find(|found| !found.is_empty()).unwrap_or_default()
}

/// Everything among `tasks` whose name fits a pattern of Python's `fnmatch`, each once. Names with a protocol are only
/// found by patterns that say `@`: without one, what is meant are lm-evaluation-harness's tasks.
pub(super) fn matching<'a>(tasks: &'a [TaskDefinition], pattern: &Pattern) -> Vec<Selection<'a>> {
    let protocols = pattern.as_str().contains(PROTOCOL);
    let names: BTreeSet<String> = tasks.iter().flat_map(names).collect();
    let fits = |name: &&String| pattern.matches(name) && name.contains(PROTOCOL) == protocols;
    let found: Vec<Selection<'a>> = names.iter().filter(fits).flat_map(|name| named(tasks, name)).collect();
    outermost(&found)
}

/// Those that no other one has all documents of, in order; of equals the first.
fn outermost<'a>(found: &[Selection<'a>]) -> Vec<Selection<'a>> {
    found.iter().enumerate().filter(|(index, _)| wider(found, *index).is_none()).map(|(_, kept)| kept.clone()).collect()
}

/// The place of one that has all documents of the one at `index`; of equals the first.
pub(crate) fn wider(found: &[Selection<'_>], index: usize) -> Option<usize> {
    let narrow = &found[index];
    let has_all = |other: usize| {
        other != index && found[other].covers(narrow) && (other < index || !narrow.covers(&found[other]))
    };
    (0..found.len()).find(|other| has_all(*other))
}

/// Whether a name is a pattern, as `fnmatch` understands it.
pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// All names by which a task and its parts can be asked for.
pub(super) fn names(definition: &TaskDefinition) -> Vec<String> {
    let whole = std::iter::once(definition.name.clone()).chain(other_names(definition));
    whole.chain(parts(definition).into_iter().map(|(name, _)| name)).chain(tags(definition)).collect()
}

/// The groups, then the subtasks, with their names.
pub(super) fn parts(definition: &TaskDefinition) -> Vec<(String, Part)> {
    let Some(subjects) = &definition.subjects else { return Vec::new() };
    let named = |name: String| with_protocol(definition, name);
    let of_categories = subjects.group.iter().flat_map(|group| render(group, "category", categories::names()));
    let groups = of_categories
        .zip(categories::names())
        .map(|(name, category)| (named(name), Part::Group(categories::subjects(category).to_vec())));
    let known = known(subjects);
    let subtasks = render(&subjects.subtask, "subject", known.iter().map(String::as_str));
    let subtasks =
        subtasks.into_iter().zip(&known).map(|(name, subject)| (named(name), Part::Subtask(subject.clone())));
    groups.chain(subtasks).collect()
}

/// The subtasks that lm-evaluation-harness's tag of this name stands for.
fn tagged<'a>(definition: &'a TaskDefinition, name: &str) -> Vec<Selection<'a>> {
    let Some(place) = tags(definition).iter().position(|tag| tag == name) else { return Vec::new() };
    let Some(category) = categories::names().nth(place) else { return Vec::new() };
    let subtasks = parts(definition).into_iter().filter(|(_, part)| match part {
        Part::Subtask(subject) => categories::of_subject(subject) == Some(category),
        Part::Whole | Part::Group(_) => false,
    });
    subtasks.map(|(name, part)| Selection { name, part, ..Selection::whole(definition) }).collect()
}

/// One per category, in their order; none where the task has no tags.
fn tags(definition: &TaskDefinition) -> Vec<String> {
    let tag = definition.subjects.as_ref().and_then(|subjects| subjects.tag.as_ref());
    let names = tag.map(|tag| render(tag, "category", categories::names())).unwrap_or_default();
    names.into_iter().map(|name| with_protocol(definition, name)).collect()
}

fn other_names(definition: &TaskDefinition) -> impl Iterator<Item = String> {
    let names = definition.subjects.iter().flat_map(|subjects| &subjects.other_names);
    names.map(|name| with_protocol(definition, name.clone()))
}

/// The subjects that are known before any data are read: those with configurations of their own, or MMLU's.
fn known(subjects: &SubjectsDefinition) -> Vec<String> {
    if subjects.names.is_empty() { categories::all_subjects() } else { subjects.names.clone() }
}

fn with_protocol(definition: &TaskDefinition, name: String) -> String {
    match definition.name.split_once(PROTOCOL) {
        Some((_, protocol)) => format!("{name}{PROTOCOL}{protocol}"),
        None => name,
    }
}

/// Names from their template, one per value of `variable`; none where it is no template of that.
pub(super) fn render<'v>(template: &str, variable: &str, values: impl Iterator<Item = &'v str>) -> Vec<String> {
    let Ok(template) = Template::new(template) else { return Vec::new() };
    let of = |value| template.render(&context(&HashMap::from([(variable, value)])));
    values.map(of).collect::<Result<_, _>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::TaskRegistry;
    use super::outermost;

    fn selected(names: &[&str]) -> Vec<String> {
        let registry = TaskRegistry::built_in();
        let found: Vec<_> = names.iter().flat_map(|name| registry.named(name).unwrap()).collect();
        outermost(&found).into_iter().map(|selection| selection.name).collect()
    }

    fn refused(name: &str) -> String {
        let registry = TaskRegistry::built_in();
        let error = registry.named(name).unwrap_err();
        error.to_string()
    }

    const GROUPS: [&str; 4] = ["mmlu_humanities", "mmlu_other", "mmlu_social_sciences", "mmlu_stem"];

    #[test]
    fn groups_and_subtasks_have_lm_evaluation_harnesss_names() {
        for name in ["mmlu", "mmlu_stem", "mmlu_abstract_algebra", "bbh", "bbh_cot_fewshot_snarks", "mmlu_stem@9e6e240"]
        {
            assert_eq!(selected(&[name]), [name]);
        }
        // lm_eval's tags are their members, without a group's figures.
        assert_eq!(selected(&["mmlu_stem_tasks"]).len(), 19);
        assert_eq!(selected(&["mmlu_flan_n_shot_generative_stem"]).len(), 19);
    }

    #[test]
    fn a_pattern_finds_groups_and_what_is_in_none() {
        assert_eq!(
            selected(&["mmlu_*"]),
            [&GROUPS[..], &["mmlu_flan_n_shot_generative", "mmlu_pro"]].concat().sorted()
        );
        assert_eq!(selected(&["mmlu*"]), ["mmlu", "mmlu_flan_n_shot_generative", "mmlu_pro"]);
        assert_eq!(selected(&["mmlu_pro_*"]).len(), 14);
        assert_eq!(selected(&["mmlu_pro_computer_science"]), ["mmlu_pro_computer_science"]);
        assert_eq!(selected(&["arc_[ce]*"]), ["arc_challenge", "arc_easy"]);
        assert_eq!(selected(&["arc_[!c]*", "pi?a"]), ["arc_easy", "piqa"]);
        assert_eq!(selected(&["mmlu_college_m*"]).len(), 2);
        assert_eq!(selected(&["gsm8k*@9e6e240"]), ["gsm8k@9e6e240", "gsm8k_cot@9e6e240"]);
    }

    trait Sorted {
        fn sorted(self) -> Self;
    }

    impl Sorted for Vec<&str> {
        fn sorted(mut self) -> Self {
            self.sort_unstable();
            self
        }
    }

    #[test]
    fn nothing_is_evaluated_twice() {
        assert_eq!(selected(&["mmlu_anatomy", "mmlu_stem", "mmlu_a*", "gsm8k"]), ["mmlu_stem", "gsm8k"]);
        assert_eq!(selected(&["mmlu_*", "mmlu"]), ["mmlu_flan_n_shot_generative", "mmlu_pro", "mmlu"]);
        assert_eq!(selected(&["bbh", "bbh_cot_fewshot", "bbh_cot_fewshot_snarks"]), ["bbh"]);
        assert_eq!(selected(&["gsm8k", "piqa", "gsm8k"]), ["gsm8k", "piqa"]);
    }

    #[test]
    fn what_is_unknown_gets_near_names() {
        assert_eq!(refused("mmlu_abstract_algbra"), "unknown task `mmlu_abstract_algbra`");
        let said = refused("gsm9k_*");
        assert!(said.starts_with("no task's name fits `gsm9k_*`; near it are `gsm8k`"), "{said}");
        assert_eq!(refused("zzz*"), "no task's name fits `zzz*`");
        assert!(refused("mmlu_[a").starts_with("`mmlu_[a` is no pattern"), "{}", refused("mmlu_[a"));
    }
}
