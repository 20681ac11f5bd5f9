//! Flags that say how members come to one answer and how tokens are picked.

use std::str::FromStr;

use clap::Args;
use gac_ensemble::{Certainty, ControlSymbols, Weighting};
use gac_harness::tasks::DEFAULT_SHOT_SEED;
use gac_systems::{Combination, DraftTokens, SamplingSpec, SystemSpec, Values};

use crate::named::named;

/// How members come to one answer.
#[derive(Args, Debug, Default)]
pub(crate) struct VotingArgs {
    /// How members come to one answer [default: gac]
    #[arg(long, value_name = "METHOD", value_parser = named::<Combination>())]
    pub(crate) method: Option<Combination>,
    /// Tokens per model that `unite` considers [default: 10]
    #[arg(long, value_name = "K")]
    pub(crate) unite_top_k: Option<usize>,
    /// The least probability of a model under `geometric` [default: 0.000001]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(crate) floor: Option<f64>,
    /// How far `proxy` moves the first model by what the second has over the third [default: 1]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    pub(crate) alpha: Option<f64>,
    /// How many hypotheses `abe` follows at once [default: 1]
    #[arg(long, value_name = "K")]
    pub(crate) beam: Option<usize>,
    /// What weights follow from, where `--weights` does not give them
    #[arg(long, value_name = "WHAT", value_parser = named::<Weighting>())]
    pub(crate) weight_by: Option<Weighting>,
    /// What the gate's certainty is [default: top-probability]
    #[arg(long, value_name = "WHAT", value_parser = named::<Certainty>())]
    pub(crate) gate_by: Option<Certainty>,
    /// Propose tokens ahead for the models to verify several in one forward: `prompt` repeats what was said before; `gate`,
    /// one of the models (as `--model` names it) or another model, which has no vote, goes on alone; answers stay the same
    #[arg(long, value_name = "WHO")]
    pub(crate) draft: Option<String>,
    /// Tokens to propose at once, or `auto`: as many as are worth it [default: auto]
    #[arg(long, value_name = "N")]
    pub(crate) draft_tokens: Option<String>,
    /// Whether special tokens other than the end of a text or turn may win a vote [default: keep]
    #[arg(long, value_name = "WAY", value_parser = named::<ControlSymbols>())]
    pub(crate) special_tokens: Option<ControlSymbols>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Make every prompt a chat, written down by each model's own template
    #[arg(long)]
    pub(crate) apply_chat_template: bool,
    /// A message in front of every chat
    #[arg(long, value_name = "TEXT")]
    pub(crate) system_instruction: Option<String>,
    /// Say the shots of a chat as turns (true), or all in one message (false) [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) fewshot_as_multiturn: Option<bool>,
}

/// How tokens are drawn. Without any of these, the most probable one is taken.
#[derive(Args, Debug, Default)]
pub(crate) struct SamplingArgs {
    /// Draw tokens, at this temperature (0: take the most probable)
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub(crate) temperature: Option<f64>,
    /// Draw from the fewest tokens that hold this share of the probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(crate) top_p: Option<f64>,
    /// Draw from this many most probable tokens
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<usize>,
    /// Draw from tokens with at least this share of the most probable one's probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(crate) min_p: Option<f64>,
    /// What draws depend on, of tokens [default: 0] and of shots [default: 1234]; or four numbers as
    /// lm-evaluation-harness has them, of which the third is for tokens and the fourth for shots
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<Seed>,
}

/// `--seed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed {
    /// Of tokens.
    pub(crate) tokens: u64,
    /// Of shots.
    pub(crate) shots: u64,
}

impl FromStr for Seed {
    type Err = String;

    /// One number for all, or lm-evaluation-harness's list for Python, `NumPy`, `PyTorch` and shots, of which the last
    /// may be left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<Option<u64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        match numbers[..] {
            [Some(seed)] => Ok(Self { tokens: seed, shots: seed }),
            [_, _, Some(tokens), Some(shots)] => Ok(Self { tokens, shots }),
            [_, _, Some(tokens)] => Ok(Self { tokens, shots: DEFAULT_SHOT_SEED }),
            _ => Err("a seed is a whole number from 0 up, or four of them with commas between".to_owned()),
        }
    }
}

impl VotingArgs {
    /// Writes what was given into a system as a recipe would have it.
    pub(crate) fn apply(&self, spec: &mut SystemSpec) {
        spec.method = self.method.map(Values::One);
        spec.top_k = self.unite_top_k;
        spec.floor = self.floor;
        spec.alpha = self.alpha;
        spec.beam = self.beam;
        spec.weight_by = self.weight_by;
        spec.gate_by = self.gate_by;
        spec.special_tokens = self.special_tokens;
        spec.draft.clone_from(&self.draft);
        spec.draft_tokens = self.draft_tokens.as_deref().map(DraftTokens::from);
        spec.chat_template = self.apply_chat_template.then_some(true);
        spec.system_instruction.clone_from(&self.system_instruction);
        spec.fewshot_as_multiturn = self.fewshot_as_multiturn;
        let SamplingArgs { temperature, top_p, top_k, min_p, seed } = self.sampling;
        let sampling = SamplingSpec { temperature, top_p, top_k, min_p, seed: None };
        // A seed alone draws nothing.
        let draws = sampling != SamplingSpec::default();
        spec.sampling = draws.then_some(SamplingSpec { seed: seed.map(|seed| seed.tokens), ..sampling });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_number_or_lm_evaluation_harnesss_list() {
        let of = |text: &str| text.parse::<Seed>().map(|seed| (seed.tokens, seed.shots));
        assert_eq!(of("42"), Ok((42, 42)));
        assert_eq!(of("0,1234,7,8"), Ok((7, 8)));
        assert_eq!(of("0, None, 7, 8"), Ok((7, 8)));
        assert_eq!(of("0,1,2"), Ok((2, 1234)));
        for wrong in ["", "-1", "1.5", "1,2", "0,0,0,None", "0,0,0,0,0"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_seed_alone_draws_nothing() {
        let mut spec = SystemSpec::default();
        let mut flags = VotingArgs::default();
        flags.sampling.seed = Some(Seed { tokens: 3, shots: 3 });
        flags.apply(&mut spec);
        assert_eq!(spec.sampling, None);
        flags.sampling.temperature = Some(0.5);
        flags.apply(&mut spec);
        assert_eq!(spec.sampling.map(|sampling| sampling.seed), Some(Some(3)));
    }
}
