//! What tests may need, and where it is looked for.

use std::path::{Path, PathBuf};
use std::process::Command;

use quote::quote;
use syn::Ident;

/// Something from outside of the repository.
pub(crate) enum Need {
    Shared,
    Real,
    Yaml,
    Browser,
    Namespaces,
    Gpu,
    Emulator,
}

impl Need {
    pub(crate) fn parse(name: &Ident) -> syn::Result<Self> {
        match name.to_string().as_str() {
            "shared" => Ok(Self::Shared),
            "real" => Ok(Self::Real),
            "yaml" => Ok(Self::Yaml),
            "browser" => Ok(Self::Browser),
            "namespaces" => Ok(Self::Namespaces),
            "gpu" => Ok(Self::Gpu),
            "emulator" => Ok(Self::Emulator),
            other => {
                let known = "known are `shared`, `real`, `yaml`, `browser`, `namespaces`, `gpu` and `emulator`";
                Err(syn::Error::new(name.span(), format!("no test needs `{other}`; {known}")))
            }
        }
    }

    /// The variable that says where it is.
    fn variable(&self) -> Option<&'static str> {
        match self {
            Self::Shared => Some("GAC_SHARED"),
            Self::Real => Some("GAC_REAL"),
            Self::Yaml => Some("GAC_YAML_TASKS"),
            Self::Browser => Some("GAC_CHROMIUM"),
            Self::Namespaces => None,
            Self::Gpu => Some("GAC_GPU"),
            Self::Emulator => Some("GAC_CUDA_EMULATOR"),
        }
    }

    /// What to say where it is not there.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Shared => "the folder GAC_SHARED (or ../shared)",
            Self::Real => "real weights in GAC_REAL (scripts/real/fetch.py)",
            Self::Yaml => {
                "prompts of lm-evaluation-harness's YAML tasks in GAC_YAML_TASKS (scripts/lm_eval/yaml_tasks.py)"
            }
            Self::Browser => "Chromium (GAC_CHROMIUM, or `apt-get install chromium`)",
            Self::Namespaces => "mount namespaces (`unshare -rm`)",
            Self::Gpu => "a GPU (GAC_GPU=yes) or scripts/cuda/emulator/run.sh, and --features cuda",
            Self::Emulator => "scripts/cuda/emulator/run.sh, and --features cuda",
        }
        .to_owned()
    }

    /// Where it is.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let named = self.variable().and_then(std::env::var_os).filter(|value| !value.is_empty()).map(PathBuf::from);
        match self {
            Self::Shared => named.or_else(beside_the_repository).filter(|path| path.is_dir()),
            Self::Real | Self::Yaml | Self::Emulator => named.filter(|path| path.is_dir()),
            Self::Gpu => named,
            Self::Browser => {
                let program = named.unwrap_or_else(|| PathBuf::from("chromium"));
                runs(Command::new(&program).arg("--version")).then_some(program)
            }
            Self::Namespaces => {
                let allowed = runs(Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]));
                allowed.then(|| PathBuf::from("unshare"))
            }
        }
        // Tests run in their crate's folder, which is not where they are compiled.
        .map(|path| path.canonicalize().unwrap_or(path))
    }

    /// A mention of the variable in the test itself: its target is compiled again when the variable changes.
    pub(crate) fn tracked(&self) -> Option<proc_macro2::TokenStream> {
        let variable = self.variable()?;
        Some(quote!(
            const _: ::core::option::Option<&'static str> = ::core::option_env!(#variable);
        ))
    }
}

/// `shared` beside the repository, seen from the crate that is compiled.
fn beside_the_repository() -> Option<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")?;
    Some(Path::new(&manifest).join("../../../shared"))
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
