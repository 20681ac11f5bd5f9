//! Systems and requests.

use std::io;

use gac_ensemble::{EnsembleError, RequestError};
use gac_systems::{IdentityError, OpenError, RecipeError, ServerPlanError, SettingError, SpecError};

use super::Hint;

impl Hint for EnsembleError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Request { source, .. } => source.hint(),
            _ => None,
        }
    }
}

impl Hint for RequestError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Chat { source, .. } => return source.hint(),
            Self::TooLong { .. } => Some("shorten the prompt, or use a model with a longer context"),
            Self::ChatWithoutTemplates => Some("apply the chat templates: `--apply-chat-template`"),
            Self::Unspellable { .. } => Some("use a model whose tokenizer can spell every byte"),
            Self::NoProbabilities { .. } => {
                Some("are the weights damaged? NaN in one of them spoils every probability")
            }
            _ => None,
        };
        hint.map(str::to_owned)
    }
}

impl Hint for RecipeError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("a recipe is a TOML file; `recipes/mini.toml` is an example".to_owned())
            }
            Self::Parse { .. } => Some("`recipes/mini.toml` shows every part of a recipe".to_owned()),
            Self::Read { .. } => None,
        }
    }
}

impl Hint for SpecError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Empty => Some("name at least one: `[[systems]]` with `name` and `members` (or `--model`)".to_owned()),
            Self::ModelSource { .. } => {
                let ways = "`path = \"models/mini-llama\"` for a local folder, `hub = \"org/name\"` for the hub, \
                            `url = \"http://host:8000\"` for a server";
                Some(ways.to_owned())
            }
            Self::ModelKey { .. } => Some("a server is told its types and devices when it is started".to_owned()),
            Self::HubId { .. } => {
                Some("a hub id is `org/name` or `org/name@revision`; a folder is a `path`".to_owned())
            }
            Self::MissingPath { .. } => Some(
                "a path in a recipe is relative to the recipe's folder, one on the command line to the present one"
                    .to_owned(),
            ),
            Self::NoMembers { known, .. } => Some(list("models", known)),
            Self::UnknownModel { member, known, .. } => Some(match nearest(member, known) {
                Some(name) => format!("did you mean `{name}`? {}", list("models", known)),
                None => list("models", known),
            }),
            Self::Setting { source, .. } => source.hint(),
            Self::DuplicateMember { .. } => Some("to count a member more, give `weights`".to_owned()),
            Self::GateNotMember { members, .. } => Some(list("members", members)),
            Self::GateWithoutThreshold { .. } => {
                Some("add `threshold = 0.5`, or leave the gate out to ensemble every step".to_owned())
            }
            Self::ThresholdWithoutGate { members, .. } => {
                Some(format!("name the member that gates with `gate`; {}", list("members", members)))
            }
            Self::Threshold { .. } => Some("0 leaves every step to the gate, 1 ensembles every step".to_owned()),
            Self::EmptyAxis { .. } => Some("give at least one value, or leave it out".to_owned()),
            Self::TwoThresholds { .. } => {
                Some("`thresholds` alone, with all of them, makes a system of each".to_owned())
            }
            Self::Weight { .. } | Self::WeightSum { .. } => {
                Some("weights are numbers from 0 up, one of them above; they are divided by their sum".to_owned())
            }
            Self::GateAlone { .. } => Some("a gate decides when the other members are consulted; add one".to_owned()),
            Self::WeightCount { .. } => {
                Some("give one weight per member, in order, or none for equal weights".to_owned())
            }
            _ => None,
        }
    }
}

impl Hint for SettingError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::OtherMethod { setting, owners, .. } => {
                Some(format!("`{setting}` belongs to `{}`", owners.join("`, `")))
            }
            Self::GateByWithoutGate => Some("add `gate` and `threshold`, or leave it out".to_owned()),
            Self::SystemWithoutChat | Self::TurnsWithoutChat | Self::ArgumentsWithoutChat => {
                Some("apply the chat templates too: `--apply-chat-template`, or `chat-template = true`".to_owned())
            }
            Self::DraftTokensWithoutDraft => Some("add `draft`, or leave it out".to_owned()),
            Self::TwoWeights => Some("leave out `weights` or `weight-by`".to_owned()),
            Self::Method(_) | Self::Sampling(_) | Self::UnknownDraft { .. } | Self::DraftTokens { .. } => None,
        }
    }
}

impl Hint for OpenError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Remote(error) => return error.hint(),
            Self::Servers(ServerPlanError::NoKey { .. }) => Some("set it, or name another one with `api-key-env`"),
            Self::FullResponse { .. } => Some("`vote` and `best-of` are for `gac eval` and `gac run`"),
            Self::ThinkEndToken { .. } => Some("name the token by its text, as `think-end-token = \"</think>\"`"),
            Self::Checkpoint(error)
            | Self::Identity(IdentityError::Checkpoint(error))
            | Self::Servers(ServerPlanError::Tokenizer(error)) => return error.hint(),
            Self::Engine(error) => return error.hint(),
            Self::Chat(error) => return error.hint(),
            Self::Tokenizer(error) => return error.hint(),
            Self::Identity(IdentityError::Read { .. }) | Self::UnknownModel { .. } | Self::Ensemble(_) => None,
        };
        hint.map(str::to_owned)
    }
}

/// The names there are, as a hint.
fn list(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!("there are no {what}");
    }
    format!("{what}: `{}`", names.join("`, `"))
}

/// The name most like `given`, when one is like it at all.
fn nearest<'a>(given: &str, names: &'a [String]) -> Option<&'a str> {
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.as_str())
}
