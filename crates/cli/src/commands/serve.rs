//! `gac serve`: models and ensembles over HTTP.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use gac_serve::{Catalog, Server, ServerOptions};
use gac_systems::{DEFAULT_BATCH_SIZE, ModelStore, SystemsOverrides, SystemsPlan, SystemsSpec};

use super::eval::{check, specs};
use crate::compute::Compute;
use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;
use crate::shared_args::{ChatArgs, SystemArgs};

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// The recipe whose systems are served, a TOML file; or name models with `--model`
    #[arg(conflicts_with = "model", required_unless_present = "model")]
    pub(crate) recipe: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) system: ModelFlags,
    /// Address to listen at; only programs on this machine reach the usual one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// Port to listen at; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) port: u16,
    /// Environment variable with a key that requests have to bring, as `Authorization: Bearer KEY`
    #[arg(long, value_name = "NAME")]
    pub(crate) api_key_env: Option<String>,
    /// Origin whose pages may ask (`https://host`, or `*` for all) [default: only the server's own]
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Option<String>,
    /// Longest list of most probable tokens that a request may ask for; -1: all of a vocabulary
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub(crate) max_logprobs: i64,
    /// Most texts that are computed and wait, over all requests; more are told to come back (status 429)
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = at_least_one)]
    pub(crate) max_queue: usize,
    /// Most connections; more are told that there are too many (status 503)
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = at_least_one)]
    pub(crate) max_connections: usize,
    /// Largest body of a request in MiB; larger ones are refused (status 413)
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) max_body: usize,
    /// Seconds that requests which run may take to finish when the server is told to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) grace: u64,
    #[command(flatten)]
    pub(crate) chat: ChatArgs,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

/// Flags that name one system, where no recipe does.
#[derive(Debug)]
pub(crate) struct ModelFlags(SystemArgs);

impl FromArgMatches for ModelFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        SystemArgs::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl Args for ModelFlags {
    fn augment_args(command: Command) -> Command {
        SystemArgs::augment_args(command).mut_arg("model", |model| model.required(false))
    }

    fn augment_args_for_update(command: Command) -> Command {
        SystemArgs::augment_args_for_update(command)
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number from 1 up".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Serves until it is told to stop.
pub(crate) fn serve(args: &ServeArgs, verbose: bool, printer: &mut Printer) -> CommandOutcome {
    let api_key = args.api_key_env.as_deref().map(key).transpose()?;
    let (plan, store) = resolve(args)?;
    let (catalog, scheduler) = Catalog::open(&plan, store)?;
    let names: Vec<String> = catalog.systems().iter().map(|system| system.name.clone()).collect();
    let options = ServerOptions {
        api_key,
        allowed_origin: args.allow_origin.clone(),
        max_body: args.max_body.saturating_mul(1 << 20),
        max_queue: args.max_queue,
        max_connections: args.max_connections,
        max_samples: args.compute.batch_size().unwrap_or(DEFAULT_BATCH_SIZE),
        max_log_probs: usize::try_from(args.max_logprobs).ok(),
        grace: Duration::from_secs(args.grace),
        access_log: verbose.then_some(log_access),
        ..ServerOptions::default()
    };
    let server = Server::bind((args.host, args.port), catalog, scheduler, options).map_err(|error| {
        let address = format!("{}:{}", args.host, args.port);
        let error = anyhow::Error::from(error).context(format!("failed to listen at {address}"));
        Failure::with_hint(error, "`--port 0` takes any port that is free")
    })?;
    printer.note(&format!("serving {} at http://{}", names.join(", "), server.address()?));
    server.run()?;
    Ok(())
}

/// The key that requests have to bring.
fn key(name: &str) -> Result<String, Failure> {
    match std::env::var(name) {
        Ok(key) if !key.is_empty() => Ok(key),
        _ => {
            let error = anyhow::anyhow!("the environment variable `{name}` is not set, or empty");
            Err(Failure::with_hint(error, format!("`--api-key-env {name}` takes the key from there")))
        }
    }
}

/// What is served, and the models to be loaded for it.
fn resolve(args: &ServeArgs) -> Result<(SystemsPlan, ModelStore), Failure> {
    let overrides = SystemsOverrides {
        dtype: args.compute.dtype(),
        compute: args.compute.products_in,
        chat_template_args: args.chat.chat_template_args.clone().unwrap_or_default(),
    };
    let mut spec = if let Some(recipe) = &args.recipe {
        SystemsSpec::load(recipe)?
    } else {
        check(&args.system.0, true)?;
        specs(&args.system.0)?
    };
    if args.recipe.is_none() {
        // Chats are answered where there are templates; these may be told something.
        let tells = !overrides.chat_template_args.is_empty();
        spec.systems.iter_mut().filter(|_| tells).for_each(|system| system.chat_template = Some(true));
    }
    let plan = SystemsPlan::resolve(&spec, &overrides)?;
    let samples = args.compute.batch_size().unwrap_or(DEFAULT_BATCH_SIZE);
    let store = ModelStore::new(plan.models.clone(), args.compute.device.clone(), samples)
        .with_max_memory(args.compute.max_memory);
    Ok((plan, store))
}

/// One line of JSON on stderr per request.
fn log_access(line: &serde_json::Value) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
