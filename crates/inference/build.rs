//! Compiles the CUDA kernels to PTX with `nvcc`, for builds with the feature `cuda`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return Ok(());
    }
    println!("cargo::rerun-if-changed=cuda");
    for variable in ["CUDA_HOME", "CUDA_PATH", "CUDA_COMPUTE_CAP", "NVCC"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo names no OUT_DIR"))?);
    let architecture = format!("compute_{}", compute_capability());
    for entry in fs::read_dir("cuda")? {
        let source = entry?.path();
        if source.extension().is_none_or(|extension| extension != "cu") {
            continue;
        }
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (type_name, of_c) in TYPES {
            let ptx = out.join(format!("{name}-{type_name}.ptx"));
            compile(&source, &ptx, &[format!("-DTYPE_NAME={type_name}"), format!("-DTYPE={of_c}")], &architecture)?;
        }
    }
    Ok(())
}

/// Types of activations, and what they are called in the kernels.
const TYPES: [(&str, &str); 3] = [("f32", "float"), ("f16", "__half"), ("bf16", "__nv_bfloat16")];

/// The driver translates PTX of an older capability for the card that there is, not of a newer one.
fn compute_capability() -> String {
    if let Ok(capability) = env::var("CUDA_COMPUTE_CAP") {
        return capability;
    }
    let query = ["--query-gpu=compute_cap", "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(query).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let oldest = text.lines().filter_map(|line| line.trim().replace('.', "").parse::<u32>().ok()).min();
    oldest.unwrap_or(80).to_string()
}

fn compile(source: &Path, ptx: &Path, defined: &[String], architecture: &str) -> io::Result<()> {
    let home = env::var_os("CUDA_HOME").or_else(|| env::var_os("CUDA_PATH"));
    let nvcc = env::var_os("NVCC").map(PathBuf::from).or_else(|| Some(Path::new(&home?).join("bin/nvcc")));
    let nvcc = nvcc.unwrap_or_else(|| PathBuf::from("nvcc"));
    let status = Command::new(&nvcc)
        .args(["--ptx", "-O3", "-std=c++17", "--gpu-architecture", architecture, "-o"])
        .args([ptx, source])
        .args(defined)
        .status()
        .map_err(|error| io::Error::other(format!("`{}` cannot be run: {error}", nvcc.display())))?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("`{}` could not compile `{}`", nvcc.display(), source.display())))
}
