//! A model, resolved.

use std::fmt;
use std::path::{Path, PathBuf};

use gac_inference::TemplateChoice;
use gac_inference::remote::ServerUrl;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::SpecError;
use super::overrides::SystemsOverrides;
use super::server::ServerPlan;
use gac_inference::{ComputeType, Dtype};

use crate::files::any_path;
use crate::spec::device::RecipeDevice;
use crate::spec::file::{ModelSpec, ThinkEndToken};

/// A model of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelPlan {
    /// The name that systems call it.
    pub name: String,
    /// Where it comes from.
    pub source: ModelOrigin,
    /// The type to compute in; as stored when absent.
    pub dtype: Option<Dtype>,
    /// The type that its linear layers multiply in, on the CPU.
    #[serde(default, skip_serializing_if = "ComputeType::is_default")]
    pub compute: ComputeType,
    /// Where it computes; where the run says when absent.
    #[serde(default)]
    pub device: Option<RecipeDevice>,
    /// Which chat template it uses; its usual one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "any_path")]
    pub chat_template: Option<TemplateChoice>,
    /// What its chat template is told by name, over what a system says.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub chat_template_args: Map<String, Value>,
    /// Whether prompts begin with begin-of-text; as its files say when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_bos: Option<bool>,
    /// What ends its reasoning; what its chat template names, where chats are made, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think_end_token: Option<ThinkEndToken>,
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelOrigin {
    /// A local folder (or file).
    Path(#[serde(with = "any_path")] PathBuf),
    /// `org/name` or `org/name@revision` on the hub.
    Hub(String),
    /// Servers.
    Server(ServerPlan),
}

impl fmt::Display for ModelOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(formatter),
            Self::Hub(id) => id.fmt(formatter),
            Self::Server(server) => server.fmt(formatter),
        }
    }
}

pub(super) fn model(
    name: &str,
    spec: &ModelSpec,
    folder: &Path,
    overrides: &SystemsOverrides,
) -> Result<ModelPlan, SpecError> {
    let source = match (&spec.path, &spec.hub, &spec.url) {
        (None, None, Some(urls)) => ModelOrigin::Server(server(name, spec, urls.0.clone(), folder)?),
        (Some(path), None, None) => {
            let path = folder.join(path);
            if !path.exists() {
                return Err(SpecError::MissingPath { what: format!("model `{name}`"), path });
            }
            ModelOrigin::Path(path)
        }
        (None, Some(id), None) if id.is_empty() || id.contains(char::is_whitespace) || id.starts_with(['.', '/']) => {
            return Err(SpecError::HubId { name: name.to_owned(), id: id.clone() });
        }
        (None, Some(id), None) => ModelOrigin::Hub(id.clone()),
        (None, None, None) => return Err(SpecError::ModelSource { name: name.to_owned(), found: "none" }),
        _ => return Err(SpecError::ModelSource { name: name.to_owned(), found: "several" }),
    };
    if spec.url.is_none() {
        let of_servers = [
            ("name", spec.name.is_some()),
            ("tokenizer", spec.tokenizer.is_some()),
            ("api-key-env", spec.api_key_env.is_some()),
            ("logprobs", spec.logprobs.is_some()),
        ];
        only(name, &of_servers, "`url`")?;
    }
    Ok(ModelPlan {
        name: name.to_owned(),
        source,
        dtype: overrides.dtype.or(spec.dtype).filter(|_| spec.url.is_none()),
        compute: overrides.compute.or(spec.compute).filter(|_| spec.url.is_none()).unwrap_or_default(),
        device: spec.device.clone(),
        chat_template: spec.chat_template.as_deref().map(|text| template(name, text, folder)).transpose()?,
        chat_template_args: spec.chat_template_args.clone(),
        add_bos: spec.add_bos,
        think_end_token: spec.think_end_token.clone(),
    })
}

/// A model on servers. How it computes is theirs to say.
fn server(name: &str, spec: &ModelSpec, url: Vec<ServerUrl>, folder: &Path) -> Result<ServerPlan, SpecError> {
    let of_engines =
        [("dtype", spec.dtype.is_some()), ("compute", spec.compute.is_some()), ("device", spec.device.is_some())];
    only(name, &of_engines, "`path` and `hub`")?;
    if spec.logprobs == Some(0) {
        return Err(SpecError::NoLogprobs { name: name.to_owned() });
    }
    Ok(ServerPlan {
        url,
        name: spec.name.clone(),
        tokenizer: spec.tokenizer.as_deref().map(|text| ServerPlan::tokenizer_from(folder, text)),
        api_key_env: spec.api_key_env.clone(),
        logprobs: spec.logprobs,
    })
}

/// Refuses keys of which one is given, since they belong to models with other ones.
fn only(name: &str, given: &[(&'static str, bool)], with: &'static str) -> Result<(), SpecError> {
    match given.iter().find(|(_, given)| *given) {
        Some((key, _)) => Err(SpecError::ModelKey { name: name.to_owned(), key, with }),
        None => Ok(()),
    }
}

/// A file where `text` names one, else a template's name.
fn template(model: &str, text: &str, folder: &Path) -> Result<TemplateChoice, SpecError> {
    let path = folder.join(text);
    if path.is_file() {
        return Ok(TemplateChoice::File(path));
    }
    if text.contains(['/', '.']) {
        return Err(SpecError::MissingPath { what: format!("the chat template of model `{model}`"), path });
    }
    Ok(TemplateChoice::Name(text.to_owned()))
}
