//! `gac import-config`: the configuration of the published GaC's server as a recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf, absolute};

use clap::Args;
use serde::Deserialize;
use toml::Value;

use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct ImportConfigArgs {
    /// A configuration of the published GaC's server, a YAML file; the recipe goes to stdout
    pub(crate) config: PathBuf,
}

/// The file, by its own names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "NORM_TYPE_API_SERVER", default)]
    norm_type: NormType,
    #[serde(rename = "THRESHOLD_API_SERVER")]
    threshold: Option<f64>,
    #[serde(rename = "CONFIG_API_SERVER")]
    models: Vec<Model>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum NormType {
    #[default]
    Average,
    Score,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    weight: String,
    name: String,
    score: Option<f64>,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    quantization: PublishedQuantization,
    max_memory: Option<BTreeMap<u32, String>>,
    num_gpus: Option<f64>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Priority {
    Primary,
    #[default]
    Supportive,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum PublishedQuantization {
    #[default]
    #[serde(rename = "none")]
    None,
    #[serde(rename = "8bit")]
    Eight,
    #[serde(rename = "4bit")]
    Four,
}

/// Prints the recipe.
pub(crate) fn import_config(args: &ImportConfigArgs, printer: &mut Printer) -> CommandOutcome {
    let path = &args.config;
    let text = std::fs::read_to_string(path)
        .map_err(|error| anyhow::Error::from(error).context(format!("failed to read `{}`", path.display())))?;
    printer.data(&recipe(&text, path)?)?;
    Ok(())
}

fn recipe(text: &str, path: &Path) -> Result<String, Failure> {
    let config: Config = serde_norway::from_str(text).map_err(|error| {
        let error =
            anyhow::Error::from(error).context(format!("`{}` is no configuration of GaC's server", path.display()));
        let hint = "it has NORM_TYPE_API_SERVER, THRESHOLD_API_SERVER and CONFIG_API_SERVER, a list of models";
        Failure::with_hint(error, hint)
    })?;
    let wrong = |message: String| Failure::from(anyhow::anyhow!("`{}`: {message}", path.display()));
    if config.models.is_empty() {
        return Err(wrong("CONFIG_API_SERVER has no models".to_owned()));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = config.models.iter().find(|model| !names.insert(&model.name)) {
        return Err(wrong(format!("two models are called `{}`", twice.name)));
    }
    let primary: Vec<&Model> = config.models.iter().filter(|model| model.priority == Priority::Primary).collect();
    if let [first, second, ..] = primary[..] {
        return Err(wrong(format!("`{}` and `{}` are both primary: one of them gates", first.name, second.name)));
    }

    let mut recipe = format!("# From `{}`.\n\n[models]\n", path.display());
    for model in &config.models {
        recipe.push_str(&model.table().map_err(wrong)?);
    }
    let members: Vec<Value> = config.models.iter().map(|model| Value::from(model.name.as_str())).collect();
    let together = config.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(" + ");
    let name = Value::from(together);
    recipe = format!("{recipe}\n[[systems]]\nname = {name}\nmembers = {}\n", Value::Array(members));
    if config.norm_type == NormType::Score {
        let score = |model: &Model| model.score.map(Value::from).ok_or_else(|| model.name.clone());
        let scores: Result<Vec<Value>, _> = config.models.iter().map(score).collect();
        let scores =
            scores.map_err(|name| wrong(format!("NORM_TYPE_API_SERVER is score, and `{name}` has no score")))?;
        recipe = format!("{recipe}weights = {}\n", Value::Array(scores));
    }
    if let [gate] = primary[..] {
        let Some(threshold) = config.threshold else {
            return Err(wrong(format!("`{}` is primary, and there is no THRESHOLD_API_SERVER", gate.name)));
        };
        let (gate, threshold) = (Value::from(gate.name.as_str()), Value::from(threshold));
        recipe = format!("{recipe}gate = {gate}\nthreshold = {threshold}\n");
    }
    Ok(recipe)
}

impl Model {
    /// Its line of `[models]`, with what has no like here as a comment.
    fn table(&self) -> Result<String, String> {
        let Self { weight, name, quantization, max_memory, num_gpus, .. } = self;
        if weight.is_empty() || weight.contains('[') {
            return Err(format!("`weight` of `{name}` is `{weight}`: it has to be a folder, or an id on the hub"));
        }
        let is_path =
            Path::new(weight).exists() || weight.starts_with(['/', '.', '~']) || weight.matches('/').count() != 1;
        let source = if is_path {
            // A recipe's paths start where it lies, and these started where the server did.
            let path = absolute(weight).unwrap_or_else(|_| PathBuf::from(weight));
            format!("path = {}", Value::from(path.to_string_lossy().into_owned()))
        } else {
            format!("hub = {}", Value::from(weight.as_str()))
        };
        let dtype = match quantization {
            PublishedQuantization::None => "",
            PublishedQuantization::Eight => ", dtype = \"q8_0\"",
            PublishedQuantization::Four => ", dtype = \"q4_k\"",
        };
        let mut placed = Vec::new();
        placed.extend(num_gpus.map(|gpus| format!("num_gpus {gpus}")));
        placed.extend(max_memory.iter().flatten().map(|(gpu, memory)| format!("max_memory {memory} on GPU {gpu}")));
        let comment = if placed.is_empty() {
            String::new()
        } else {
            format!("# It had {}; here `device = \"cuda:0\"` says where it computes.\n", placed.join(", "))
        };
        Ok(format!("{comment}{} = {{ {source}{dtype} }}\n", Value::from(name.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use gac_systems::{SystemsOverrides, SystemsPlan, SystemsSpec, parse_toml};

    use super::*;

    fn model(name: &str, more: &str) -> String {
        format!("  - weight: org/{name}\n    name: {name}\n    num_gpus: 0.5\n    max_memory:\n      0: 24GiB\n{more}")
    }

    fn plan(text: &str) -> SystemsPlan {
        let recipe = recipe(text, Path::new("c.yaml")).unwrap_or_else(|failure| panic!("{}", failure.message()));
        let spec: SystemsSpec = parse_toml(&recipe, Path::new("r.toml")).unwrap();
        SystemsPlan::resolve(&spec, &SystemsOverrides::default()).unwrap()
    }

    #[test]
    fn a_primary_model_is_the_gate_and_scores_are_weights() {
        let (a, b) = (
            model("a", "    score: 300\n    priority: primary\n    quantization: 8bit\n"),
            model("b", "    score: 100\n    priority: 'supportive'\n    quantization: 'none'\n"),
        );
        let plan = plan(&format!("NORM_TYPE_API_SERVER: score\nTHRESHOLD_API_SERVER: 0.5\nCONFIG_API_SERVER:\n{a}{b}"));
        let system = &plan.systems[0];
        assert_eq!((&*system.name, &system.members[..]), ("a + b", &["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(system.weights, [0.75, 0.25]);
        let gate = system.gate.as_ref().unwrap();
        assert_eq!((&*gate.member, gate.threshold.to_bits()), ("a", 0.5_f64.to_bits()));
        assert_eq!(plan.models[0].dtype, Some(gac_inference::Dtype::Q8_0));
        assert_eq!(plan.models[0].source.to_string(), "org/a");
    }

    #[test]
    fn without_a_primary_model_all_vote_at_every_step() {
        let text = format!("THRESHOLD_API_SERVER: 1.0\nCONFIG_API_SERVER:\n{}{}", model("a", ""), model("b", ""));
        let plan = plan(&text);
        assert_eq!((plan.systems[0].gate.is_none(), &plan.systems[0].weights[..]), (true, &[0.5, 0.5][..]));
    }

    #[test]
    fn what_makes_no_recipe_is_told() {
        let fails = |text: &str| recipe(text, Path::new("c.yaml")).unwrap_err().message();
        let primary = |name: &str| model(name, "    priority: primary\n");
        for (text, part) in [
            ("CONFIG_API_SERVER: []\n".to_owned(), "no models"),
            (format!("CONFIG_API_SERVER:\n{}{}", model("a", ""), model("a", "")), "two models"),
            (format!("CONFIG_API_SERVER:\n{}{}", primary("a"), primary("b")), "both primary"),
            (format!("CONFIG_API_SERVER:\n{}", primary("a")), "THRESHOLD_API_SERVER"),
            (format!("NORM_TYPE_API_SERVER: score\nCONFIG_API_SERVER:\n{}", model("a", "")), "no score"),
            ("CONFIG_API_SERVER:\n  - weight: '[replace me]'\n    name: a\n".to_owned(), "a folder"),
            ("CONFIG_API_SERVER:\n  - weight: a/b\n    name: a\n    quantization: 2bit\n".to_owned(), "2bit"),
            ("THRESHOLD: 1\n".to_owned(), "THRESHOLD"),
        ] {
            assert!(fails(&text).contains(part), "{}", fails(&text));
        }
    }
}
