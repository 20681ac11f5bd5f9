#!/bin/sh
# What a card says: builds, checks results against the CPU and transformers, runs the mini recipe, and times real shapes.
#
#     scripts/cuda/verify.sh FOLDER [FEATURES] [SHAPE...]
#
# FEATURES are `cuda` unless told otherwise; with `cuda,flash-attn` the build takes hours. Shapes are 135m, 0.5b, 3b and 8b, whose random
# models are made in FOLDER (16 GB). It needs a CUDA toolkit, a card, and for the times Python with torch and transformers;
# vLLM is timed where it is installed. All that it prints is the report.
set -eu

folder=${1:?"usage: verify.sh FOLDER [FEATURES] [SHAPE...]"}
features=${2:-cuda}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- 135m 0.5b 3b 8b
cd "$(dirname "$0")/../.."
mkdir -p "$folder"

echo "== the card"
nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader
git rev-parse HEAD

echo "== results: our kernels beside tensor operations, models beside transformers and the CPU"
packages="-p gac -p gac-inference --features $features"
# shellcheck disable=SC2086
GAC_GPU=yes cargo test --release $packages --lib --test cuda -- --test-threads 1

echo "== the mini recipe beside results/baseline"
# shellcheck disable=SC2086
cargo build --release $packages --bins --examples
rm -rf "$folder/mini"
target/release/gac run recipes/mini.toml --device cuda:0 --dtype f32 --output-path "$folder/mini"
target/release/gac compare results/baseline "$folder/mini" || true

echo "== times"
python3 scripts/cuda/speed.py target/release/examples/gpu_speed "$folder/models" --shapes "$@"
