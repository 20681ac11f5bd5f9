//! What is evaluated and served: single models and ensembles of them.
//!
//! A recipe (or a command line) states models and systems ([`SystemsSpec`]); [`SystemsPlan::resolve`] decides every
//! default and checks everything; a [`ModelStore`] loads each model once and gives a system's
//! [`Settings`](gac_ensemble::Settings) and the [`Scheduler`](gac_ensemble::Scheduler) that serves requests by them, or
//! opens it as a [`System`]. What a system is, is known by its [`SystemIdentity`].
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use gac_ensemble::{BatchLimits, GenerationRequest, Overlong, PromptEncoding, generate};
//! use gac_inference::DeviceSpec;
//! use gac_systems::{DEFAULT_BATCH_SIZE, ModelStore, SystemsOverrides, SystemsPlan, SystemsSpec};
//!
//! // Two small models that are in this repository, alone and as ensembles; what the recipe says of tasks is not read.
//! let spec = SystemsSpec::load("../../recipes/mini.toml".as_ref())?;
//! let plan = SystemsPlan::resolve(&spec, &SystemsOverrides::default())?;
//! let gated = plan.system("GaC gated 0.5").expect("the recipe has it");
//! assert_eq!(gated.members, ["mini-llama", "mini-qwen"]);
//!
//! let mut store = ModelStore::new(plan.models.clone(), DeviceSpec::Cpu, DEFAULT_BATCH_SIZE);
//! let settings = store.settings(gated)?;
//! let request = GenerationRequest {
//!     decoding: None,
//!     log_probs: None,
//!     prompt: "Question: How many cups are 3 cups and 4 cups?\nAnswer:".into(),
//!     encoding: PromptEncoding::WithSpecial,
//!     stop: vec!["\n".to_owned()],
//!     max_new_tokens: 16,
//!     overlong: Overlong::Refuse,
//!     trace: false,
//! };
//! generate(store.scheduler(), &settings, &[request], BatchLimits::batch(16), &mut |_, generation| {
//!     assert!(generation.tokens > 0);
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ensemble_system;
mod files;
mod full_response;
mod identity;
mod model_store;
mod open;
mod open_error;
mod plan;
mod spec;
mod system;
mod think_end;
mod trace;

pub use ensemble_system::EnsembleSystem;
pub use files::write::{Destination, Output, is_temporary, write_atomic};
pub use files::{any_path, sha256};
pub use identity::file_hash::{FileHash, HashCache};
pub use identity::model::{FileRole, HashFile, IdentityError, ModelFile, ModelIdentity};
pub use identity::system::SystemIdentity;
pub use model_store::{DEFAULT_BATCH_SIZE, ModelStore};
pub use open::OpenSystems;
pub use open_error::OpenError;
pub use plan::draft::DraftPlan;
pub use plan::error::SpecError;
pub use plan::model::{ModelOrigin, ModelPlan};
pub use plan::overrides::SystemsOverrides;
pub use plan::server::{ServerPlan, ServerPlanError};
pub use plan::setting_error::SettingError;
pub use plan::settings::{ChatPlan, ShotLayout, SystemSettings};
pub use plan::system::{GatePlan, SystemPlan};
pub use plan::systems::SystemsPlan;
pub use spec::device::RecipeDevice;
pub use spec::draft::DraftTokens;
pub use spec::file::{ModelSpec, SamplingSpec, SystemSpec, SystemsSpec, ThinkEndToken};
pub use spec::method::Combination;
pub use spec::server::ServerUrls;
pub use spec::toml_file::{RecipeError, parse_toml, read_toml};
pub use spec::values::Values;
pub use system::{Finished, ReadAnswer, StepCosts, System, SystemError};
pub use trace::{Decider, MemberStep, StepRecord};
