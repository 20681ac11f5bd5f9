#!/bin/sh
# Type-checks and lints the CUDA code on a machine without a GPU and without a CUDA toolkit.
#
#     scripts/cuda/check.sh FOLDER [FEATURES]
#
# FOLDER (about 4 GB) keeps a CUDA compiler from PyPI and what cargo builds; FEATURES are `cuda,flash-attn` unless told
# otherwise. CARGO_TARGET_DIR moves what cargo builds elsewhere; not to where you build to run, see below.
#
# Compiled for real: all Rust code, our own kernels, and those of candle that are embedded as PTX. Stood in for: those that
# are linked (`toolkit.sh`). So nothing that is built here runs on a GPU, and what the kernels compute is not checked:
# `emulator/run.sh` does that.
set -eu

folder=${1:?"usage: check.sh FOLDER [FEATURES]"}
features=${2:-cuda,flash-attn}
cd "$(dirname "$0")/../.."
. scripts/cuda/toolkit.sh
toolkit "$folder"

# Its own folder: a build to run must not find the empty kernels.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$toolkit_folder/target}"
exec cargo clippy --workspace --release --all-targets --features "$features" -- -D warnings
