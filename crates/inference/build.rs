//! Compiles the CUDA kernels with `nvcc`, for builds with the feature `cuda`: for common cards, with PTX behind for others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return Ok(());
    }
    println!("cargo::rerun-if-changed=cuda");
    for variable in ["CUDA_HOME", "CUDA_PATH", "CUDA_COMPUTE_CAP", "GAC_CUDA_CODE", "NVCC"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo names no OUT_DIR"))?);
    let targets = targets(compute_capability());
    for entry in fs::read_dir("cuda")? {
        let source = entry?.path();
        if source.extension().is_none_or(|extension| extension != "cu") {
            continue;
        }
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (type_name, of_c) in TYPES {
            let code = out.join(format!("{name}-{type_name}.fatbin"));
            compile(&source, &code, &[format!("-DTYPE_NAME={type_name}"), format!("-DTYPE={of_c}")], &targets)?;
        }
    }
    Ok(())
}

/// Types of activations, and what they are called in the kernels.
const TYPES: [(&str, &str); 3] = [("f32", "float"), ("f16", "__half"), ("bf16", "__nv_bfloat16")];

/// Capabilities that code is made for: A100, other Ampere cards, Ada, Hopper.
const COMMON: [u32; 4] = [80, 86, 89, 90];

/// What is compiled for: PTX of a capability, and code for those of `GAC_CUDA_CODE` (`80,90`; the common ones unless told
/// otherwise; none where it is empty) that are not below it.
fn targets(ptx: u32) -> Vec<String> {
    let code = env::var("GAC_CUDA_CODE");
    let code = code.map_or(COMMON.to_vec(), |list| list.split(',').filter_map(|one| one.trim().parse().ok()).collect());
    let of =
        |capability: u32, kind: &str| format!("--generate-code=arch=compute_{capability},code={kind}_{capability}");
    code.into_iter().filter(|&one| one >= ptx).map(|one| of(one, "sm")).chain([of(ptx, "compute")]).collect()
}

/// The driver translates PTX of an older capability for the card that there is, not of a newer one.
fn compute_capability() -> u32 {
    if let Some(capability) = env::var("CUDA_COMPUTE_CAP").ok().and_then(|capability| capability.parse().ok()) {
        return capability;
    }
    let query = ["--query-gpu=compute_cap", "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(query).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let oldest = text.lines().filter_map(|line| line.trim().replace('.', "").parse::<u32>().ok()).min();
    oldest.unwrap_or(80)
}

fn compile(source: &Path, code: &Path, defined: &[String], targets: &[String]) -> io::Result<()> {
    let home = env::var_os("CUDA_HOME").or_else(|| env::var_os("CUDA_PATH"));
    let nvcc = env::var_os("NVCC").map(PathBuf::from).or_else(|| Some(Path::new(&home?).join("bin/nvcc")));
    let nvcc = nvcc.unwrap_or_else(|| PathBuf::from("nvcc"));
    let status = Command::new(&nvcc)
        .args(["--fatbin", "--no-compress", "--threads=0", "-O3", "-std=c++17", "-o"])
        .args([code, source])
        .args(defined)
        .args(targets)
        .status()
        .map_err(|error| io::Error::other(format!("`{}` cannot be run: {error}", nvcc.display())))?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("`{}` could not compile `{}`", nvcc.display(), source.display())))
}
