//! Makes a model of addresses: who answers, what it can tell, and whether the tokenizer here is the server's.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::address::ServerUrl;
use super::detect::{FoundServer, identify};
use super::error::RemoteError;
use super::files::member_files;
use super::http::{Http, HttpFailure};
use super::lone::LoneTexts;
use super::model::{CACHE, RemoteModel};
use super::options::RemoteOptions;
use super::pace::Pace;
use super::probe::{abilities, speak};
use super::protocol::ServerEngine;
use super::replicas::Replicas;
use super::requester::Requester;
use super::tokenizer_check::check_tokenizer;
use crate::checkpoint::source::ModelSource;
use crate::language_model::Limits;
use crate::tokenizer::load::TokenizerLoadError;
use crate::tokenizer::rows::output_rows;
use crate::vocabulary::Tokenizer;

/// Between two questions to a server that is still loading its model.
const LOADING: Duration = Duration::from_secs(1);
/// The context of a server that does not tell it.
const UNKNOWN_CONTEXT: usize = 1 << 20;
/// Most tokens that are asked for at once of a text that nobody else has a vote on.
const MOST_ALONE: usize = 128;

impl RemoteModel {
    /// Finds out what `options.servers` serve and what they can tell, and reads the tokenizer.
    ///
    /// Servers that do not answer are left out and tried again later, as long as one does.
    ///
    /// # Errors
    /// When no server answers, they serve different models, one lacks what is needed, or the tokenizer is another one.
    pub fn connect(options: &RemoteOptions) -> Result<Self, RemoteError> {
        let http = Http::new(options.in_flight, options.timeout);
        let servers: Vec<ServerUrl> =
            options.servers.iter().map(|server| server.clone().with_key(options.api_key.as_ref())).collect();
        let up = answering(&http, &servers, options)?;
        let [(first, found), others @ ..] = &up[..] else { return Err(RemoteError::NoServers) };
        for (server, other) in others {
            let same = found.identity.serves_the_same(&other.identity);
            same.map_err(|reason| not_a_replica(server, first, reason))?;
            if other.identity.version != found.identity.version {
                tracing::warn!(%first, first_version = found.identity.version, %server, version = other.identity.version,
                    "replicas of different versions");
            }
        }

        let source = tokenizer_source(&http, first, found, options)?;
        let unreadable = |source: TokenizerLoadError| RemoteError::Tokenizer { server: first.to_string(), source };
        let rows = match output_rows(&source).map_err(|error| unreadable(error.into()))? {
            Some(rows) => rows,
            None => Tokenizer::load(&source, None).map_err(unreadable)?.vocabulary().len(),
        };
        let mut least = abilities(&http, first, found, Some(rows), options.list)?;
        for (server, found) in others {
            let theirs = abilities(&http, server, found, Some(rows), options.list)?;
            if theirs.rows != least.rows {
                let reason = format!("its vocabulary has {} rows, not {}", theirs.rows, least.rows);
                return Err(not_a_replica(server, first, reason));
            }
            least = least.common(&theirs);
        }
        let lacks = |what: String| RemoteError::Lacks {
            server: first.to_string(),
            engine: found.identity.engine,
            what,
            flag: Some("--max-logprobs -1"),
        };
        if !least.tells_all() {
            return Err(lacks(format!(
                "lists {} tokens at most and cannot be asked about others, so that a vote might stay undecided",
                least.longest_list
            )));
        }
        if least.longest_list < least.rows {
            tracing::warn!(server = %first, longest = least.longest_list,
                "longer lists are asked for token by token, many requests each; `--max-logprobs -1` would spare them");
        }

        let tokenizer = Tokenizer::load(&source, Some(least.rows))
            .and_then(|tokenizer| Ok(tokenizer.with_add_bos(options.add_bos)?))
            .map_err(unreadable)?;
        for (server, found) in &up {
            check_tokenizer(&http, server, found, &source, &tokenizer)?;
        }
        let told = up.iter().map(|(_, found)| found.context).min().flatten();
        let context = told.unwrap_or_else(|| {
            tracing::warn!(server = %first, "it does not tell its context; longer prompts are refused as they come");
            UNKNOWN_CONTEXT
        });
        let name = Some(found.identity.model.clone());
        let expected = found.identity.clone();
        let check = move |http: &Http, server: &ServerUrl| {
            let found = identify(http, server, name.as_deref()).map_err(|error| error.to_string())?;
            expected.serves_the_same(&found.identity)?;
            if found.identity.version != expected.version {
                tracing::warn!(%server, was = expected.version, is = found.identity.version, "it has another version now");
            }
            Ok(())
        };
        // Each replica has slots of its own; of unlike ones the fewest count.
        let slots = up.iter().filter_map(|(_, found)| found.slots).min();
        let sequences = slots.map_or(usize::MAX, |slots| slots.saturating_mul(servers.len()));
        let protocol = speak(found, least);
        let identity = found.identity.clone();
        let answers = |server: &ServerUrl| up.iter().any(|(other, _)| other == server);
        let count = servers.len();
        let servers: Vec<(ServerUrl, bool)> =
            servers.into_iter().map(|server| (server.clone(), answers(&server))).collect();
        Ok(Self {
            requester: Requester::new(
                Replicas::new(http, servers, options.patience, Box::new(check)),
                protocol,
                options.in_flight.saturating_mul(count),
            ),
            identity,
            tokenizer: Arc::new(tokenizer),
            tokenizer_source: source,
            limits: Limits { vocabulary: least.rows, context, cache: CACHE, sequences },
            slots,
            list: options.list.clamp(1, least.longest_list),
            pace: Pace::new(options.most_ahead),
            lone: LoneTexts::new(if options.most_ahead > 1 { MOST_ALONE } else { 1 }),
            given: 0,
            sequences: std::collections::HashMap::new(),
            next: 0,
        })
    }

    /// What the first of `options.servers` that answers says that it serves.
    ///
    /// # Errors
    /// When none answers, or it has several models and none is named.
    pub fn identify(options: &RemoteOptions) -> Result<super::identity::ServerIdentity, RemoteError> {
        let http = Http::new(1, options.timeout);
        let servers: Vec<ServerUrl> =
            options.servers.iter().map(|server| server.clone().with_key(options.api_key.as_ref())).collect();
        let up = answering(&http, &servers, options)?;
        up.into_iter().next().map(|(_, found)| found.identity).ok_or(RemoteError::NoServers)
    }
}

/// The servers that answer, and what they say of themselves. One that is loading its model is waited for.
fn answering(
    http: &Http,
    servers: &[ServerUrl],
    options: &RemoteOptions,
) -> Result<Vec<(ServerUrl, FoundServer)>, RemoteError> {
    let since = Instant::now();
    let mut up = Vec::new();
    let mut error = RemoteError::NoServers;
    for server in servers {
        while let Err(HttpFailure::Busy { .. }) = http.get(server, "/v1/models") {
            if since.elapsed() > options.patience {
                break;
            }
            tracing::info!(%server, "waiting until it is ready");
            sleep(LOADING);
        }
        match identify(http, server, options.name.as_deref()) {
            Ok(found) => up.push((server.clone(), found)),
            Err(RemoteError::Unreachable { server, reason }) if servers.len() > 1 => {
                tracing::warn!(server, reason, "left, and tried again later");
                error = RemoteError::Unreachable { server, reason };
            }
            Err(other) => return Err(other),
        }
    }
    if up.is_empty() { Err(error) } else { Ok(up) }
}

fn not_a_replica(server: &ServerUrl, first: &ServerUrl, reason: String) -> RemoteError {
    RemoteError::NotAReplica { server: server.to_string(), first: first.to_string(), reason }
}

/// Where the tokenizer is: as the user says, else as the server does.
fn tokenizer_source(
    http: &Http,
    server: &ServerUrl,
    found: &FoundServer,
    options: &RemoteOptions,
) -> Result<ModelSource, RemoteError> {
    if let Some(source) = &options.tokenizer {
        return Ok(source.clone());
    }
    if found.identity.engine == ServerEngine::Gac {
        return member_files(http, server, &found.identity.model);
    }
    let told = found.tokenizer.as_deref().unwrap_or(&found.identity.model);
    let source = if Path::new(told).exists() { ModelSource::local(Path::new(told)) } else { ModelSource::parse(told) };
    source.map_err(|error| RemoteError::Tokenizer { server: server.to_string(), source: error.into() })
}
