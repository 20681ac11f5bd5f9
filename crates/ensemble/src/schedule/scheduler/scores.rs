//! Continuations that are taken in, cut into windows where that is asked for.

use std::sync::Arc;

use super::Scheduler;
use crate::request::{AnyRequest, LogLikelihoodRequest, RequestId};
use crate::schedule::entry::{EncodedRequest, encode_all};
use crate::score::windows::windows;
use crate::settings::Settings;

impl Scheduler {
    /// Takes continuations in. A text that is to be scored in windows enters as one request for each; all that entered, in
    /// order, with the place in `requests` of what they are of.
    ///
    /// # Panics
    /// As [`submit_all`](Self::submit_all).
    pub(crate) fn submit_scores(
        &mut self,
        requests: &[LogLikelihoodRequest],
        settings: &Arc<Settings>,
    ) -> Vec<(RequestId, usize)> {
        self.check_own(settings);
        let any: Vec<AnyRequest<'_>> = requests.iter().map(AnyRequest::from).collect();
        let mut entered = Vec::with_capacity(requests.len());
        for (place, encoded) in encode_all(&any, settings).into_iter().enumerate() {
            let parts = match encoded {
                Ok(EncodedRequest::Continuation(text, None)) if text.rolls() => {
                    let segmentation = &mut self.segmentations[settings.ensemble().index];
                    match windows(settings, segmentation, text) {
                        Ok(windows) => {
                            windows.into_iter().map(|window| Ok(EncodedRequest::Continuation(window, None))).collect()
                        }
                        Err(error) => vec![Err(error)],
                    }
                }
                whole => vec![whole],
            };
            entered.extend(parts.into_iter().map(|part| (self.take_in(settings, part), place)));
        }
        entered
    }
}
