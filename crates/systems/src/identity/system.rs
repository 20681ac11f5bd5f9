//! The identity of a system.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::model::ModelIdentity;
use crate::files::sha256;
use crate::plan::system::SystemPlan;

/// Raised whenever the same system would answer the same request otherwise: what an older gac wrote is then not reused.
///
/// 2: begin-of-text, pre-tokenizers and templates as their files mean them; GGUF weights exactly.
const ALGORITHM: u32 = 2;

/// Hash over everything that a system's answers depend on: the members' contents and types, weights, gate, threshold,
/// method and decoding settings. Names of systems and members are not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SystemIdentity(String);

impl SystemIdentity {
    /// The identity of `system` with these members, in order.
    pub fn new(system: &SystemPlan, members: &[ModelIdentity]) -> Self {
        let settings = serde_json::to_value(system).unwrap_or_default();
        let mut settings = match settings {
            Value::Object(settings) => settings,
            _ => Map::new(),
        };
        // The order of what stays is part of the hash.
        settings.shift_remove("axis");
        settings.remove("name");
        settings.insert("members".to_owned(), members.iter().map(ModelIdentity::contents).collect());
        // What is drafted changes the time that answers take, and no answer.
        if let Some(Value::Object(settings)) = settings.get_mut("settings") {
            settings.shift_remove("draft");
        }
        // A gate is a place among the members, whatever it is called.
        if let Some(Value::Object(gate)) = settings.get_mut("gate") {
            gate.insert("member".to_owned(), system.gate_index().into());
        }
        if system.drafter.is_some() {
            settings.insert("drafter".to_owned(), system.drafter_index().into());
        }
        // How the runner asks; see `runner::task`.
        let mut asking = json!({ "encoding": "with_special", "overlong": "truncate_left" });
        if system.settings.chat.is_some() {
            // A template may know what ends a model's reasoning; before, reasoning was scored.
            asking["thinking"] = "not_scored".into();
        }
        let identity = json!({ "algorithm": ALGORITHM, "asking": asking, "system": settings });
        Self(sha256::of_bytes(identity.to_string()))
    }

    /// The hash, hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use gac_ensemble::{Decoding, Sampling};

    use super::*;
    use crate::identity::file_hash::FileHash;
    use crate::identity::model::{FileRole, ModelFile};
    use crate::plan::draft::DraftPlan;
    use crate::plan::settings::SystemSettings;
    use crate::plan::system::GatePlan;
    use crate::spec::method::Combination;
    use gac_inference::Dtype;

    fn model(name: &str, weights: &str) -> ModelIdentity {
        let file = |role, sha256: &str| ModelFile {
            file: "f".into(),
            role,
            hash: FileHash { bytes: 1, sha256: sha256.into() },
        };
        ModelIdentity {
            name: name.into(),
            source: format!("models/{name}"),
            commit: None,
            dtype: None,
            settings: serde_json::Value::Null,
            server: None,
            files: vec![file(FileRole::Weights, weights), file(FileRole::Tokenizer, "t")],
        }
    }

    fn system() -> SystemPlan {
        SystemPlan {
            name: "both".into(),
            axis: None,
            members: vec!["a".into(), "b".into()],
            weights: vec![0.5, 0.5],
            gate: Some(GatePlan { member: "a".into(), threshold: 0.5 }),
            drafter: None,
            settings: SystemSettings::default(),
        }
    }

    #[test]
    fn names_and_places_are_no_part_of_a_systems_identity() {
        let before = SystemIdentity::new(&system(), &[model("a", "1"), model("b", "2")]);
        let mut renamed = system();
        renamed.name = "other @ 0.5".into();
        renamed.axis = Some("other".into());
        renamed.members = vec!["x".into(), "y".into()];
        renamed.gate = Some(GatePlan { member: "x".into(), threshold: 0.5 });
        assert_eq!(before, SystemIdentity::new(&renamed, &[model("x", "1"), model("y", "2")]));
    }

    #[test]
    fn drafts_are_no_part_of_a_systems_identity() {
        let members = [model("a", "1"), model("b", "2")];
        let mut drafting = system();
        drafting.settings.draft = Some(DraftPlan { by: "prompt".into(), tokens: Some(4) });
        assert_eq!(SystemIdentity::new(&system(), &members), SystemIdentity::new(&drafting, &members));
    }

    #[test]
    fn everything_that_answers_depend_on_is_part_of_it() {
        let members = [model("a", "1"), model("b", "2")];
        let mut all = vec![SystemIdentity::new(&system(), &members)];
        let mut with = |change: &dyn Fn(&mut SystemPlan, &mut [ModelIdentity; 2])| {
            let (mut system, mut members) = (system(), members.clone());
            change(&mut system, &mut members);
            all.push(SystemIdentity::new(&system, &members));
        };
        with(&|system, _| system.weights = vec![0.6, 0.4]);
        with(&|system, _| system.gate = None);
        with(&|system, _| system.gate = Some(GatePlan { member: "a".into(), threshold: 0.6 }));
        with(&|system, _| system.gate = Some(GatePlan { member: "b".into(), threshold: 0.5 }));
        with(&|system, _| system.settings.combination = Combination::Vote);
        with(&|system, _| system.settings.decoding = Decoding::Sampled(Sampling::new(0.7, 1).unwrap()));
        with(&|_, members| members[0].files[0].hash.sha256 = "9".into());
        with(&|_, members| members[1].files[1].hash.sha256 = "9".into());
        with(&|_, members| members[1].dtype = Some(Dtype::Bf16));
        with(&|_, members| members[0].settings = json!({ "quantize": "q8_0" }));
        with(&|_, members| members.swap(0, 1));
        let server = |version: &str| {
            serde_json::from_value(json!({ "engine": "vllm", "version": version, "model": "m" })).unwrap()
        };
        with(&|_, members| members[0].server = Some(server("1")));
        with(&|_, members| members[0].server = Some(server("2")));
        for (index, identity) in all.iter().enumerate() {
            assert!(!all[..index].contains(identity), "change {index} made no difference");
        }
    }
}
