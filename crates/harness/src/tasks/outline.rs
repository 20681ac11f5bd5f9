//! How a task is made of groups and subtasks, under lm-evaluation-harness's names.

use super::categories;
use super::definition::TaskDefinition;
use super::selection::{Part, Selection, render};
use super::template::{Template, context};

/// A task, group or subtask with its place in lm-evaluation-harness's order of things.
#[derive(Clone, Debug)]
pub struct TaskOutline {
    /// The definition; of a group or a subtask that of its task.
    pub definition: TaskDefinition,
    /// The groups, the outermost first; none for a task without subjects and a single subtask.
    pub groups: Vec<GroupOutline>,
}

/// A group of subtasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOutline {
    /// Its name.
    pub name: String,
    /// What tables call it.
    pub alias: String,
    /// The version of its figures, where it has one.
    pub version: Option<String>,
    /// Its groups, or the subjects of its subtasks; no subjects: all.
    pub members: GroupMembers,
}

/// What a group is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupMembers {
    /// Groups by name, and the subtasks that are in none of them.
    Groups(Vec<String>),
    /// Subtasks of these subjects.
    Subjects(Vec<String>),
    /// All subtasks.
    All,
}

/// A subtask, or a task without subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its name.
    pub name: String,
    /// What tables call it, where that is another name.
    pub alias: Option<String>,
}

impl TaskOutline {
    pub(super) fn new(selection: &Selection<'_>) -> Self {
        let Selection { name, definition, part, .. } = selection;
        let Some(subjects) = &definition.subjects else {
            return Self { definition: (*definition).clone(), groups: Vec::new() };
        };
        let version = subjects.group_version.clone();
        let one = |template: &Option<String>, category: &str| {
            let rendered = template.as_ref().map(|template| render(template, "category", [category].into_iter()));
            rendered.and_then(|mut names| names.pop())
        };
        let of_category = |category: &str| {
            let name = one(&subjects.group, category)?;
            Some(GroupOutline {
                alias: one(&subjects.group_alias, category).unwrap_or_else(|| name.clone()),
                name,
                version: version.clone(),
                members: GroupMembers::Subjects(categories::subjects(category).to_vec()),
            })
        };
        let groups = match part {
            Part::Subtask(_) => Vec::new(),
            Part::Group(of_group) => {
                let found = categories::names().filter_map(of_category);
                let found = found.filter(|group| group.members == GroupMembers::Subjects(of_group.clone()));
                found.map(|group| GroupOutline { name: name.clone(), ..group }).collect()
            }
            Part::Whole => {
                let parts: Vec<GroupOutline> = categories::names().filter_map(of_category).collect();
                let names: Vec<String> = parts.iter().map(|group| group.name.clone()).collect();
                let whole = GroupOutline {
                    name: name.clone(),
                    alias: subjects.alias.clone().unwrap_or_else(|| name.clone()),
                    version,
                    members: if names.is_empty() { GroupMembers::All } else { GroupMembers::Groups(names) },
                };
                std::iter::once(whole).chain(parts).collect()
            }
        };
        Self { definition: (*definition).clone(), groups }
    }

    /// The subtask of a subject, or the task itself where it has none.
    pub fn leaf(&self, subject: Option<&str>) -> Leaf {
        let (Some(subject), Some(subjects)) = (subject, &self.definition.subjects) else {
            return Leaf { name: self.definition.name.clone(), alias: None };
        };
        let of = |template: &str| render(template, "subject", [subject].into_iter()).pop();
        Leaf {
            name: of(&subjects.subtask).unwrap_or_else(|| format!("{}_{subject}", self.definition.name)),
            alias: subjects.subtask_alias.as_deref().and_then(of),
        }
    }

    /// The description in front of a subject's prompts, as far as it depends on nothing else.
    pub fn description(&self, subject: Option<&str>) -> String {
        let description = &self.definition.prompt.description;
        let values =
            subject.map(|subject| ("subject", subject)).into_iter().collect::<std::collections::HashMap<_, _>>();
        let rendered = Template::new(description).and_then(|template| template.render(&context(&values)));
        rendered.unwrap_or_else(|_| description.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::TaskRegistry;

    fn groups(name: &str) -> Vec<(String, String)> {
        let outline = TaskRegistry::built_in().outline(name).unwrap();
        outline.groups.into_iter().map(|group| (group.name, group.alias)).collect()
    }

    fn pair(name: &str, alias: &str) -> (String, String) {
        (name.to_owned(), alias.to_owned())
    }

    #[test]
    fn groups_have_lm_evaluation_harnesss_names_and_aliases() {
        let mmlu = groups("mmlu");
        assert_eq!((mmlu.len(), &mmlu[0]), (5, &pair("mmlu", "mmlu")));
        assert_eq!(mmlu[3], pair("mmlu_social_sciences", "social sciences"));
        assert_eq!(groups("mmlu_stem"), [pair("mmlu_stem", "stem")]);
        assert_eq!(groups("bbh"), [pair("bbh", "bbh")]);
        let flan = groups("mmlu_flan_n_shot_generative");
        assert_eq!(flan[0].1, "mmlu (flan style, generative)");
        assert_eq!(flan[3], pair("mmlu_flan_n_shot_generative::social sciences", "social sciences"));
        assert!(groups("mmlu_anatomy").is_empty() && groups("gsm8k").is_empty());
        let leaf = TaskRegistry::built_in().outline("mmlu").unwrap().leaf(Some("anatomy"));
        assert_eq!((leaf.name.as_str(), leaf.alias.as_deref()), ("mmlu_anatomy", Some("anatomy")));
    }
}
