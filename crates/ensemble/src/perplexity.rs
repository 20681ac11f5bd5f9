//! How well each member knows a prompt.

use gac_inference::{Extension, LanguageModel, ModelError, TokenId, Wanted};

use crate::{Ensemble, EnsembleError, Weighting, Weights};

/// Positions asked for in one forward: each is a distribution over a whole vocabulary.
const CHUNK: usize = 128;

impl Ensemble {
    /// The members' weights for a prompt, `prompt[m]` in member `m`'s ids; none where all prompts have the same.
    ///
    /// # Errors
    /// When a member fails.
    pub(crate) fn prompt_weights(&mut self, prompt: &[&[TokenId]]) -> Result<Option<Weights>, EnsembleError> {
        let Weighting::PromptPerplexity { temperature } = self.weighting else { return Ok(None) };
        let jobs = prompt.iter().copied().enumerate().collect();
        let logs = self.on_members(jobs, log_perplexity)?;
        Ok(Some(Weights::by_perplexity(&logs, temperature)))
    }
}

/// Mean negative log-probability of `ids` but the first; not a number where there are no others.
fn log_perplexity(model: &mut dyn LanguageModel, ids: &[TokenId]) -> Result<f64, ModelError> {
    // Nothing is asked of what a cache may fill in, so the sequence is opened empty.
    let sequence = model.open(&[])?;
    model.announce(sequence, ids.len());
    let sum = (|| {
        let mut sum = 0.0;
        let given = &ids[..ids.len().saturating_sub(1)];
        for (chunk, following) in given.chunks(CHUNK).zip(ids.get(1..).unwrap_or_default().chunks(CHUNK)) {
            let extension = Extension { sequence, tokens: chunk, wanted: Wanted::All };
            let distributions = model.extend(&[extension])?.pop().unwrap_or_default();
            sum += distributions.iter().zip(following).map(|(d, &id)| d.log_prob(id)).sum::<f64>();
        }
        Ok(sum)
    })();
    model.close(sequence);
    sum.map(|sum| -sum / (ids.len() as f64 - 1.0))
}
