//! What is served.

use std::collections::BTreeMap;
use std::sync::Arc;

use gac_ensemble::{Certainty, MemberId, Settings};
use gac_inference::{ModelSource, Tokenizer};

/// A model that is loaded, as what clients may ask about it beside its answers.
#[derive(Clone, Debug)]
pub struct ServedMember {
    /// Its name.
    pub name: String,
    /// Where its files are; nothing for a model that has none.
    pub source: Option<ModelSource>,
    /// The texts of `bos_token`, `eos_token` and their like, by name.
    pub special_tokens: BTreeMap<String, String>,
    /// The text of its chat template.
    pub chat_template: Option<String>,
}

/// A single model or an ensemble that clients can name.
#[derive(Clone, Debug)]
pub struct ServedSystem {
    /// The name that requests call it.
    pub name: String,
    /// How it continues texts.
    pub settings: Arc<Settings>,
    /// How it answers chats; why it does not where it cannot.
    pub chat: Result<Arc<Settings>, String>,
    /// The member that decides alone where it is sure, and what its certainty is.
    pub gate: Option<(MemberId, Certainty)>,
}

impl ServedSystem {
    /// The tokenizer that ids in requests belong to: the first member's.
    pub(crate) fn tokenizer(&self) -> Option<&Tokenizer> {
        self.settings.ensemble().tokenizers().next()
    }

    /// The first member's name.
    pub(crate) fn first_member(&self) -> &str {
        self.settings.ensemble().names().next().unwrap_or_default()
    }

    /// Rows of the first member's vocabulary.
    pub(crate) fn rows(&self) -> usize {
        self.settings.ensemble().limits().next().map_or(0, |limits| limits.vocabulary)
    }

    /// The longest text that all members hold, in tokens of each.
    pub(crate) fn context(&self) -> usize {
        self.settings.ensemble().limits().map(|limits| limits.context).min().unwrap_or(0)
    }
}

/// All that is served, by name. The first system is the one that requests mean that name none.
#[derive(Clone, Debug)]
pub struct Catalog {
    systems: Vec<ServedSystem>,
    members: Vec<ServedMember>,
}

impl Catalog {
    /// Systems in the order in which they are listed, and the models that take part in them.
    ///
    /// # Errors
    /// Without a system, or with two of the same name.
    pub fn new(systems: Vec<ServedSystem>, members: Vec<ServedMember>) -> Result<Self, CatalogError> {
        if systems.is_empty() {
            return Err(CatalogError::Empty);
        }
        for (at, system) in systems.iter().enumerate() {
            if systems[..at].iter().any(|other| other.name == system.name) {
                return Err(CatalogError::Twice { name: system.name.clone() });
            }
        }
        Ok(Self { systems, members })
    }

    /// The systems, in order; at least one.
    pub fn systems(&self) -> &[ServedSystem] {
        &self.systems
    }

    /// The system called `name`; the first one where none is named.
    pub(crate) fn system(&self, name: Option<&str>) -> Option<&ServedSystem> {
        match name {
            Some(name) => self.systems.iter().find(|system| system.name == name),
            None => self.systems.first(),
        }
    }

    /// The model called `name`.
    pub(crate) fn member(&self, name: &str) -> Option<&ServedMember> {
        self.members.iter().find(|member| member.name == name)
    }
}

/// What cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Nothing.
    #[error("there is nothing to serve: no system votes on tokens")]
    Empty,
    /// Two systems of one name.
    #[error("two systems are called `{name}`: requests could not tell them apart")]
    Twice {
        /// The name.
        name: String,
    },
}
