//! `gac eval`: one system from flags, through the same plan as a recipe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use gac_harness::plan::{Recipe, TaskSpec};
use gac_inference::Named;
use gac_inference::remote::ServerUrl;
use gac_systems::{ModelSpec, ServerUrls, SystemSpec, SystemsSpec, ThinkEndToken, Values};

use crate::commands::run::execute;
use crate::failure::Failure;
use crate::lm_eval;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;
use crate::shared_args::{RunSettings, SystemArgs};

#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// Tasks, groups and subtasks by name or pattern, as `mmlu_stem` or `arc_*` (`gac tasks list` shows all)
    #[arg(long, short_alias = 't', value_delimiter = ',', required = true, num_args = 1.., value_name = "A,B")]
    pub(crate) tasks: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

/// Evaluates one model, or one ensemble of several.
pub(crate) fn eval(args: &EvalArgs, printer: &mut Printer) -> CommandOutcome {
    check(&args.system, args.system.voting.apply_chat_template)?;
    execute(&recipe(&args.system, &args.tasks)?, &args.settings, printer)
}

/// The tasks that flags name, each once.
fn of_names(names: &[String]) -> Vec<TaskSpec> {
    let is_first = |(place, name): &(usize, &String)| !names[..*place].contains(name);
    let names = names.iter().enumerate().filter(is_first);
    names.map(|(_, name)| TaskSpec { name: name.clone(), ..TaskSpec::default() }).collect()
}

/// What flags ask of tasks.
pub(crate) fn recipe(args: &SystemArgs, tasks: &[String]) -> Result<Recipe, Failure> {
    let seed = args.voting.sampling.seed;
    Ok(Recipe {
        specs: specs(args)?,
        tasks: of_names(tasks),
        seed: seed.map(|seed| seed.tokens),
        fewshot_seed: seed.map(|seed| seed.shots),
        ..Recipe::default()
    })
}

/// The models and the one system that flags name.
pub(crate) fn specs(args: &SystemArgs) -> Result<SystemsSpec, Failure> {
    // A model that drafts without a vote is named last.
    let drafter = args.voting.draft.as_ref().filter(|draft| is_drafter(draft, &args.model));
    let mut names = short_names(&args.model.iter().chain(drafter).cloned().collect::<Vec<_>>());
    let drafter = drafter.and_then(|text| Some((names.pop()?, text)));
    let models = names.iter().zip(&args.model).zip(0..).map(|((name, text), place)| {
        let chat_template = of_model(&args.chat_template, place).cloned();
        let think_end_token = of_model(&args.think_end_token, place).map(|token| ThinkEndToken::from(token.as_str()));
        let add_bos = of_model(&args.add_bos, place).copied();
        Ok((name.clone(), ModelSpec { chat_template, add_bos, think_end_token, ..spec(text)? }))
    });
    let mut models = models.collect::<Result<BTreeMap<_, _>, Failure>>()?;
    if let Some((name, text)) = &drafter {
        models.insert(name.clone(), spec(text)?);
    }
    // A gate is named as its `--model` was, or by the name it got.
    let gate = args.gate.as_ref().map(|gate| {
        let place = args.model.iter().position(|model| model == gate);
        place.map_or_else(|| gate.clone(), |place| names[place].clone())
    });
    let mut name = names.join(" + ");
    if let Some(threshold) = args.threshold {
        name = format!("{name} @ {threshold}");
    }
    if let Some(method) = args.voting.method {
        name = format!("{name}, {}", method.name());
    }
    let mut system = SystemSpec {
        name,
        members: names,
        weights: args.weights.clone().map(Values::One),
        gate,
        threshold: args.threshold,
        ..SystemSpec::default()
    };
    args.voting.apply(&mut system);
    // So is whoever drafts.
    let member = system.draft.as_ref().and_then(|draft| args.model.iter().position(|model| model == draft));
    let drafter = drafter.map(|(name, _)| name);
    if let Some(name) = drafter.or_else(|| Some(system.members[member?].clone())) {
        system.draft = Some(name);
    }
    Ok(SystemsSpec { path: None, models, systems: vec![system] })
}

/// Whether what drafts is a model beside the members: a path or an address, and neither one of theirs nor a word for
/// something else, whatever lies here by that name.
fn is_drafter(draft: &String, members: &[String]) -> bool {
    let is_said = ["prompt", "gate"].contains(&draft.as_str()) || short_names(members).contains(draft);
    !is_said && !members.contains(draft) && (draft.contains('/') || Path::new(draft).exists())
}

/// Refuses what flags cannot mean: kinds of models in place of models, chat templates that nobody would use, and settings
/// of models that are not as many as these.
pub(crate) fn check(args: &SystemArgs, chats: bool) -> CommandOutcome {
    lm_eval::check_models(&args.model)?;
    if !args.chat_template.is_empty() && !chats {
        let error = anyhow::anyhow!("`--chat-template` is for chats, and prompts are none");
        return Err(Failure::with_hint(error, "add `--apply-chat-template`"));
    }
    let models = args.model.len();
    for (flag, given) in [
        ("--chat-template", args.chat_template.len()),
        ("--think-end-token", args.think_end_token.len()),
        ("--add-bos", args.add_bos.len()),
    ] {
        if given > 1 && given != models {
            let error = anyhow::anyhow!("`{flag}` is given {given} times for {models} models");
            return Err(Failure::with_hint(error, "give it once for all models, or once per `--model` in order"));
        }
    }
    Ok(())
}

/// What is given for the model at a place: the only value, or the one at that place.
fn of_model<T>(given: &[T], place: usize) -> Option<&T> {
    if let [all] = given { Some(all) } else { given.get(place) }
}

/// What holds the key of servers that a command line names.
const KEY: &str = "GAC_API_KEY";

/// What `--model` names: a folder, a file, a hub id or servers.
pub(crate) fn spec(text: &str) -> Result<ModelSpec, Failure> {
    if ServerUrl::looks_like_one(text) {
        // Replicas have commas between them.
        let urls = text.split(',').map(str::parse).collect::<Result<Vec<ServerUrl>, _>>();
        let urls = urls.map_err(|error| anyhow::Error::from(error).context("`--model` with a server's address"))?;
        let key = std::env::var_os(KEY).filter(|key| !key.is_empty()).map(|_| KEY.to_owned());
        return Ok(ModelSpec { url: Some(ServerUrls(urls)), api_key_env: key, ..ModelSpec::default() });
    }
    let is_path = Path::new(text).exists() || text.starts_with(['.', '/']) || text.matches('/').count() != 1;
    Ok(if is_path {
        ModelSpec { path: Some(PathBuf::from(text)), ..ModelSpec::default() }
    } else {
        ModelSpec { hub: Some(text.to_owned()), ..ModelSpec::default() }
    })
}

/// Short names: the last part of each path or id, the host of a server, numbered where that alone is not unique.
fn short_names(models: &[String]) -> Vec<String> {
    let short = |text: &str| {
        if ServerUrl::looks_like_one(text) {
            // What is shown of an address has no password.
            let first = text.split(',').next().and_then(|url| url.parse::<ServerUrl>().ok());
            return first.map_or_else(|| "server".to_owned(), |url| url.host().to_owned());
        }
        let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or(text);
        last.split('@').next().unwrap_or(last).to_owned()
    };
    let mut names: Vec<String> = Vec::with_capacity(models.len());
    for model in models {
        let base = short(model);
        let mut name = base.clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{base}-{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_for_all_models() {
        assert_eq!(of_model::<bool>(&[], 1), None);
        assert_eq!(of_model(&[true], 1), Some(&true));
        assert_eq!(of_model(&[true, false], 1), Some(&false));
    }

    #[test]
    fn models_of_the_same_name_are_numbered() {
        let models = ["a/llama".to_owned(), "/b/llama/".to_owned(), "org/qwen@v1".to_owned()];
        assert_eq!(short_names(&models), ["llama", "llama-2", "qwen"]);
    }

    #[test]
    fn a_drafter_is_a_model_beside_the_members_and_no_word_for_another_proposer() {
        let members = ["org/llama".to_owned(), "gemma".to_owned()];
        let is = |draft: &str| is_drafter(&draft.to_owned(), &members);
        // `src` lies here, where tests run.
        assert_eq!(["./prompt", "org/small", "http://host:8000", "src"].map(is), [true; 4]);
        assert_eq!(["prompt", "gate", "llama", "org/llama", "gemma", "nothing-of-that-name"].map(is), [false; 6]);
    }

    #[test]
    fn a_server_is_called_by_its_host_without_a_password() {
        let models = ["http://ann:secret@gpu-1:8000/v1".to_owned(), "http://gpu-1:8000,http://gpu-2:8000".to_owned()];
        assert_eq!(short_names(&models), ["gpu-1:8000", "gpu-1:8000-2"]);
        let ModelSpec { url: Some(ServerUrls(urls)), .. } = spec(&models[1]).unwrap() else { panic!("no servers") };
        assert_eq!(urls.len(), 2);
        assert!(spec("http://").is_err());
    }
}
