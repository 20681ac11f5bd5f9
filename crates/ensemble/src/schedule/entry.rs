//! Requests as ids, encoded on all cores.

use std::borrow::Cow;
use std::sync::Arc;

use gac_inference::TokenId;

use crate::error::RequestError;
use crate::lanes::prompt::{EncodedPrompt, drafters_prompt, parallel, prompts};
use crate::request::{AnyRequest, GenerationRequest, LogLikelihoodRequest, TokenScoreRequest};
use crate::score::continuation::{Encoded, encode, encode_tokens, same_context};
use crate::settings::Settings;
use crate::vote::log_probs::AskedLogProbs;

/// Most continuations of one context that are encoded as one piece of work.
const TOGETHER: usize = 16;

/// A request as ids.
#[derive(Debug)]
pub(crate) enum EncodedRequest<'r> {
    /// A text to continue, with every member's prompt, and a drafter's that has no vote.
    Sample(Cow<'r, GenerationRequest>, Vec<EncodedPrompt>, Option<Vec<TokenId>>),
    /// A continuation to score, and what is told of its tokens beside their scores.
    Continuation(Encoded, Option<Cow<'r, AskedLogProbs>>),
}

impl EncodedRequest<'_> {
    fn into_owned(self) -> EncodedRequest<'static> {
        match self {
            Self::Sample(request, prompts, drafter) => {
                EncodedRequest::Sample(Cow::Owned(request.into_owned()), prompts, drafter)
            }
            Self::Continuation(encoded, told) => {
                EncodedRequest::Continuation(encoded, told.map(|told| Cow::Owned(told.into_owned())))
            }
        }
    }
}

/// A request that only has to be taken in ([`Scheduler::submit_prepared`](crate::Scheduler::submit_prepared)): a long
/// prompt takes a while to encode, which any thread can do while the scheduler's steps go on.
#[derive(Debug)]
pub struct PreparedRequest {
    settings: Arc<Settings>,
    encoded: Result<EncodedRequest<'static>, RequestError>,
}

impl PreparedRequest {
    /// Encodes a request for every member. Where that fails, [`Scheduler`](crate::Scheduler) tells when it is taken in.
    pub fn new<'r>(request: impl Into<AnyRequest<'r>>, settings: &Arc<Settings>) -> Self {
        let mut encoded = encode_all(&[request.into()], settings);
        Self { settings: Arc::clone(settings), encoded: encoded.swap_remove(0).map(EncodedRequest::into_owned) }
    }

    /// What it is served by.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(crate) fn into_parts(self) -> (Arc<Settings>, Result<EncodedRequest<'static>, RequestError>) {
        (self.settings, self.encoded)
    }
}

/// What is encoded in one go.
enum Work<'r> {
    Prompt(&'r GenerationRequest),
    /// Continuations of one context.
    Choices(Vec<&'r LogLikelihoodRequest>),
    Tokens(&'r TokenScoreRequest),
}

/// Encodes all `requests`, in order.
pub(crate) fn encode_all<'r>(
    requests: &[AnyRequest<'r>],
    settings: &Settings,
) -> Vec<Result<EncodedRequest<'r>, RequestError>> {
    let mut works: Vec<Work<'r>> = Vec::with_capacity(requests.len());
    for request in requests {
        match (*request, works.last_mut()) {
            (AnyRequest::LogLikelihood(request), Some(Work::Choices(choices)))
                if choices.len() < TOGETHER && same_context(choices[0], request) =>
            {
                choices.push(request);
            }
            (AnyRequest::LogLikelihood(request), _) => works.push(Work::Choices(vec![request])),
            (AnyRequest::Generation(request), _) => works.push(Work::Prompt(request)),
            (AnyRequest::Tokens(request), _) => works.push(Work::Tokens(request)),
        }
    }
    let encoded = parallel(&works, |work| match work {
        Work::Prompt(request) => {
            let drafter = settings.drafter().and_then(|drafter| drafters_prompt(settings, drafter, request));
            vec![
                prompts(settings, request)
                    .map(|prompts| EncodedRequest::Sample(Cow::Borrowed(*request), prompts, drafter)),
            ]
        }
        Work::Choices(choices) => {
            let choice = |encoded: Result<_, _>| encoded.map(|encoded| EncodedRequest::Continuation(encoded, None));
            encode(settings, choices).into_iter().map(choice).collect()
        }
        Work::Tokens(request) => {
            vec![
                encode_tokens(settings, request)
                    .map(|encoded| EncodedRequest::Continuation(encoded, Some(Cow::Borrowed(&request.log_probs)))),
            ]
        }
    });
    encoded.into_iter().flatten().collect()
}
