//! How a system's members come to one answer, resolved.

use gac_ensemble::{Certainty, ControlSymbols, Decoding, Method, MethodSettings, Sampling, SamplingError, Weighting};
use gac_inference::{Named, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::axes::OneSystem;
use super::draft::DraftPlan;
use super::setting_error::SettingError;
use crate::spec::file::SamplingSpec;
use crate::spec::method::Combination;

/// How a system's members come to one answer, and how tokens are picked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemSettings {
    /// What is combined, and how.
    pub combination: Combination,
    /// What a gate's certainty is.
    pub certainty: Certainty,
    /// Where weights come from.
    pub weighting: Weighting,
    /// How tokens are picked.
    pub decoding: Decoding,
    /// Whether special tokens may win a vote.
    #[serde(skip_serializing_if = "are_kept")]
    pub special_tokens: ControlSymbols,
    /// What is drafted. It is no part of a system's identity: answers are the same without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftPlan>,
    /// Whether prompts are chats, written down by each member's own template.
    pub chat: Option<ChatPlan>,
}

/// Prompts as chats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPlan {
    /// What the system's message in front of every chat begins with; a task's description follows.
    pub system_instruction: Option<String>,
    /// How shots are said.
    #[serde(default)]
    pub shots: ShotLayout,
    /// What all members' templates are told by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
    /// The time that templates may write into chats, where a member's does: fixed when a run begins, and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<UnixTime>,
}

/// How shots are said in a chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShotLayout {
    /// As turns: the question is the user's, the answer the model's. lm-evaluation-harness's default with templates.
    #[default]
    Turns,
    /// In front of the question, in one message of the user's.
    OneMessage,
}

impl SystemSettings {
    /// Decides a system's settings; `known` are the models that there are.
    pub(super) fn resolve(one: &OneSystem<'_>, known: &[String]) -> Result<Self, SettingError> {
        let spec = one.spec;
        let told = MethodSettings { top_k: spec.top_k, floor: spec.floor, alpha: spec.alpha, beam: spec.beam };
        let combination = one.method.unwrap_or_default();
        let refuse = |setting, owns: fn(Combination, &str) -> bool| {
            let owners =
                Combination::all().into_iter().filter(|other| owns(*other, setting)).map(Named::name).collect();
            SettingError::OtherMethod { setting, method: combination.name(), owners }
        };
        let owns_setting: fn(Combination, &str) -> bool =
            |combination, key| combination.method().is_some_and(|method| method.settings().contains(&key));
        if let Some(other) = told.told().find(|key| !owns_setting(combination, key)) {
            return Err(refuse(other, owns_setting));
        }
        let gates: fn(Combination, &str) -> bool = |combination, _| matches!(combination, Combination::Tokens(_));
        if one.threshold.is_some() && !gates(combination, "threshold") {
            return Err(refuse("threshold", gates));
        }
        let drafts: fn(Combination, &str) -> bool =
            |combination, _| matches!(combination, Combination::Tokens(method) if method.takes_drafts());
        if spec.draft.is_some() && !drafts(combination, "draft") {
            return Err(refuse("draft", drafts));
        }
        let leads: fn(Combination, &str) -> bool =
            |combination, _| matches!(combination, Combination::Tokens(_) | Combination::Safe(_));
        if spec.gate.is_some() && !leads(combination, "gate") {
            return Err(refuse("gate", leads));
        }
        let weighs: fn(Combination, &str) -> bool =
            |combination, _| combination.method().is_some_and(Method::takes_weights);
        if one.weights.is_some() && !weighs(combination, "weights") {
            return Err(refuse("weights", weighs));
        }
        let votes: fn(Combination, &str) -> bool =
            |combination, _| combination.method().is_some_and(|method| method.takes_weights() && !method.is_search());
        if spec.weight_by.is_some() && !votes(combination, "weight-by") {
            return Err(refuse("weight-by", votes));
        }
        let draws: fn(Combination, &str) -> bool =
            |combination, _| !combination.method().is_some_and(Method::is_search);
        if spec.sampling.is_some() && !draws(combination, "sampling") {
            return Err(refuse("sampling", draws));
        }
        let combination = combination.with(told);
        if let Some(method) = combination.method() {
            method.validate()?;
            method.validate_members(spec.members.len())?;
        }
        if spec.gate_by.is_some() && one.threshold.is_none() {
            return Err(SettingError::GateByWithoutGate);
        }
        if spec.system_instruction.is_some() && spec.chat_template != Some(true) {
            return Err(SettingError::SystemWithoutChat);
        }
        if spec.fewshot_as_multiturn.is_some() && spec.chat_template != Some(true) {
            return Err(SettingError::TurnsWithoutChat);
        }
        if !spec.chat_template_args.is_empty() && spec.chat_template != Some(true) {
            return Err(SettingError::ArgumentsWithoutChat);
        }
        if spec.weight_by.is_some() && one.weights.is_some() {
            return Err(SettingError::TwoWeights);
        }
        Ok(Self {
            combination,
            certainty: spec.gate_by.unwrap_or_default(),
            weighting: spec.weight_by.unwrap_or_default(),
            decoding: spec.sampling.as_ref().map_or(Ok(Decoding::Greedy), sampled)?,
            special_tokens: spec.special_tokens.unwrap_or_default(),
            draft: DraftPlan::resolve(spec, known)?,
            chat: spec.chat_template.unwrap_or(false).then(|| ChatPlan {
                system_instruction: spec.system_instruction.clone(),
                shots: match spec.fewshot_as_multiturn {
                    Some(false) => ShotLayout::OneMessage,
                    Some(true) | None => ShotLayout::Turns,
                },
                arguments: spec.chat_template_args.clone(),
                time: None,
            }),
        })
    }
}

/// The default: systems of before there was another have the same identity.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn are_kept(special: &ControlSymbols) -> bool {
    *special == ControlSymbols::Keep
}

/// A temperature of 0 is greedy decoding, as everywhere.
fn sampled(spec: &SamplingSpec) -> Result<Decoding, SamplingError> {
    let temperature = spec.temperature.unwrap_or(1.0);
    if temperature == 0.0 {
        return Ok(Decoding::Greedy);
    }
    let mut sampling = Sampling::new(temperature, spec.seed.unwrap_or(0))?;
    if let Some(top_k) = spec.top_k {
        sampling = sampling.with_top_k(top_k)?;
    }
    if let Some(top_p) = spec.top_p {
        sampling = sampling.with_top_p(top_p)?;
    }
    if let Some(min_p) = spec.min_p {
        sampling = sampling.with_min_p(min_p)?;
    }
    Ok(Decoding::Sampled(sampling))
}

#[cfg(test)]
mod tests {
    use gac_ensemble::{MemberId, Method, Proposer};

    use super::*;
    use crate::plan::axes;
    use crate::spec::file::SystemSpec;

    fn resolve(toml: &str) -> Result<SystemSettings, SettingError> {
        let text = format!("name = \"s\"\nmembers = [\"a\", \"b\"]\n{toml}");
        let spec = toml::from_str::<SystemSpec>(&text).unwrap();
        SystemSettings::resolve(&axes::systems(&spec).unwrap()[0], &["a", "b", "small"].map(str::to_owned))
    }

    #[test]
    fn methods_are_named_with_their_settings() {
        assert_eq!(resolve("").unwrap(), SystemSettings::default());
        let of = |toml: &str| resolve(toml).unwrap().combination;
        assert_eq!(of("method = \"unite\""), Combination::Tokens(Method::Unite { top_k: 10 }));
        assert_eq!(of("method = \"unite\"\ntop-k = 5"), Combination::Tokens(Method::Unite { top_k: 5 }));
        assert_eq!(of("method = \"geometric\"\nfloor = 0.01"), Combination::Tokens(Method::Geometric { floor: 0.01 }));
        assert_eq!(of("method = \"safe\""), Combination::Safe(Method::Gac));
        assert_eq!(of("method = \"safe-unite\"\ngate = \"b\""), Combination::Safe(Method::UNITE));
        assert_eq!(of("method = \"vote\""), Combination::Vote);
        assert_eq!(of("method = \"best-of\""), Combination::BestOf);
    }

    #[test]
    fn certainty_weights_and_sampling_are_settings_too() {
        let settings = resolve("gate = \"a\"\nthreshold = 0.9\ngate-by = \"entropy\"").unwrap();
        assert_eq!(settings.certainty, Certainty::Entropy);
        let settings = resolve("weight-by = \"prompt-perplexity\"").unwrap();
        assert_eq!(settings.weighting, Weighting::PromptPerplexity { temperature: 1.0 });
        let settings =
            resolve("sampling = { temperature = 0.7, top-p = 0.9, top-k = 40, min-p = 0.05, seed = 3 }").unwrap();
        let expected = Sampling::new(0.7, 3).unwrap().with_top_k(40).unwrap().with_top_p(0.9).unwrap();
        assert_eq!(settings.decoding, Decoding::Sampled(expected.with_min_p(0.05).unwrap()));
        assert_eq!(resolve("sampling = { temperature = 0 }").unwrap().decoding, Decoding::Greedy);
    }

    #[test]
    fn a_draft_is_by_a_member_that_is_asked_at_every_step_or_a_model_without_a_vote() {
        let members = ["a".to_owned(), "b".to_owned()];
        let by = |toml: &str| {
            let draft = resolve(toml).map(|settings| settings.draft);
            draft.map(|draft| draft.map(|draft| (draft.by.clone(), draft.drafting(&members).by)))
        };
        assert_eq!(by("draft = \"b\""), Ok(Some(("b".into(), Proposer::Member(MemberId(1))))));
        assert_eq!(by("draft = \"prompt\""), Ok(Some(("prompt".into(), Proposer::Prompt))));
        let gated = |draft: &str| by(&format!("gate = \"a\"\nthreshold = 0.5\ndraft = \"{draft}\""));
        let by_gate = Ok(Some(("a".into(), Proposer::Member(MemberId(0)))));
        assert_eq!((gated("gate"), gated("a")), (by_gate.clone(), by_gate));
        let said =
            |found: Result<_, SettingError>| found.map(|_: Option<(String, Proposer)>| ()).unwrap_err().to_string();
        assert!(said(gated("b")).starts_with("`draft` is `b`, which is a member that is not asked at every step here"));
        assert!(said(by("draft = \"gate\"")).contains("which is no gate here"));
        assert!(said(by("draft = \"c\"")).ends_with("or by `a` or `b` or `small`"));
        let outside = Ok(Some(("small".into(), Proposer::Drafter)));
        assert_eq!((by("draft = \"small\""), gated("small")), (outside.clone(), outside));
    }

    #[test]
    fn a_draft_is_by_the_prompt_and_as_long_as_is_worth_it_or_as_is_said() {
        let of = |toml: &str| resolve(toml).map(|settings| settings.draft.map(|draft| draft.tokens));
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("draft = \"prompt\""), Ok(Some(None)));
        assert_eq!(of("draft = \"prompt\"\ndraft-tokens = \"auto\""), Ok(Some(None)));
        assert_eq!(of("draft = \"prompt\"\ndraft-tokens = 4"), Ok(Some(Some(4))));
        let refused = |given: &str| Err(SettingError::DraftTokens { given: given.to_owned() });
        assert_eq!(of("draft = \"prompt\"\ndraft-tokens = 0"), refused("0"));
        assert_eq!(of("draft = \"prompt\"\ndraft-tokens = 65"), refused("65"));
        assert_eq!(of("draft = \"prompt\"\ndraft-tokens = \"many\""), refused("many"));
        assert_eq!(of("draft-tokens = 4"), Err(SettingError::DraftTokensWithoutDraft));
        assert!(matches!(
            of("draft = \"prompt\"\nmethod = \"safe\""),
            Err(SettingError::OtherMethod { setting: "draft", .. })
        ));
    }

    #[test]
    fn shots_of_a_chat_are_turns_unless_asked_otherwise() {
        let of = |toml: &str| resolve(toml).unwrap().chat.map(|chat| chat.shots);
        assert_eq!(of(""), None);
        assert_eq!(of("chat-template = true"), Some(ShotLayout::Turns));
        assert_eq!(of("chat-template = true\nfewshot-as-multiturn = false"), Some(ShotLayout::OneMessage));
    }

    #[test]
    fn settings_that_do_not_belong_together_are_refused() {
        let other = |setting, method| {
            move |error: SettingError| match error {
                SettingError::OtherMethod { setting: s, method: m, .. } => (s, m) == (setting, method),
                _ => false,
            }
        };
        assert!(other("top-k", "gac")(resolve("top-k = 5").unwrap_err()));
        assert!(other("floor", "unite")(resolve("method = \"unite\"\nfloor = 0.1").unwrap_err()));
        assert!(other("threshold", "safe")(resolve("method = \"safe\"\nthreshold = 0.1").unwrap_err()));
        assert!(other("weights", "vote")(resolve("method = \"vote\"\nweights = [1, 2]").unwrap_err()));
        assert_eq!(resolve("system-instruction = \"x\""), Err(SettingError::SystemWithoutChat));
        assert_eq!(resolve("fewshot-as-multiturn = false"), Err(SettingError::TurnsWithoutChat));
        assert_eq!(resolve("chat-template-args = { a = 1 }"), Err(SettingError::ArgumentsWithoutChat));
        assert_eq!(resolve("gate-by = \"margin\""), Err(SettingError::GateByWithoutGate));
        assert_eq!(resolve("weights = [1, 2]\nweight-by = \"prompt-perplexity\""), Err(SettingError::TwoWeights));
        assert!(matches!(resolve("sampling = { temperature = -1 }"), Err(SettingError::Sampling(_))));
        assert!(matches!(resolve("method = \"unite\"\ntop-k = 0"), Err(SettingError::Method(_))));
    }
}
