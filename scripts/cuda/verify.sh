#!/bin/sh
# What a card says: builds, checks results against the CPU and transformers, runs the mini recipe, and times real shapes.
#
#     scripts/cuda/verify.sh FOLDER [FEATURES] [SHAPE...]
#     scripts/cuda/verify.sh --rehearse FOLDER [FEATURES]
#
# FEATURES are `cuda` unless told otherwise; with `cuda,flash-attn` the build takes hours. Shapes are 135m, 0.5b, 3b and 8b, whose random
# models are made in FOLDER (16 GB). It needs a CUDA toolkit, a card, and for the times Python with torch and transformers
# (PYTHON names it); vLLM is timed where it is installed. All that it prints is the report.
#
# `--rehearse` goes the whole way without a card, on the emulator (whose FOLDER it is): some of the tests, two documents of each
# task, a tiny shape, torch on the CPU. Its times mean nothing.
set -eu

rehearse=
if [ "${1:-}" = --rehearse ]; then
    rehearse=yes
    shift
fi
folder=${1:?"usage: verify.sh [--rehearse] FOLDER [FEATURES] [SHAPE...]"}
features=${2:-cuda}
shift $(($# < 2 ? $# : 2))
cd "$(dirname "$0")/../.."
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
python=${PYTHON:-python3}

if [ "$rehearse" ]; then
    on_card() { scripts/cuda/emulator/run.sh "$folder" "$@"; }
    target=${CARGO_TARGET_DIR:-$folder/target}/release
    tests="product_kernels captured_steps"
    limit="--limit 2 --max-memory 64MiB"
    set -- tiny --measures p20 d1 d3 --seconds 0
    echo "== the card: none, this is a rehearsal"
else
    on_card() { GAC_GPU=yes "$@"; }
    target=${CARGO_TARGET_DIR:-target}/release
    tests=
    limit=
    [ $# -gt 0 ] || set -- 135m 0.5b 3b 8b
    echo "== the card"
    nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader
fi
git rev-parse HEAD

echo "== results: our kernels beside tensor operations, models beside transformers and the CPU"
packages="--locked -p gac -p gac-inference --features $features"
# shellcheck disable=SC2086
on_card cargo test --release $packages --lib --test cuda -- --test-threads 1 $tests

echo "== the mini recipe beside results/baseline"
# shellcheck disable=SC2086
on_card cargo build --release $packages --bins --examples
rm -rf "$folder/mini"
# shellcheck disable=SC2086
on_card "$target/gac" run recipes/mini.toml --device cuda:0 --dtype f32 $limit --output-path "$folder/mini"
if [ "$rehearse" ]; then
    rm -rf "$folder/mini-cpu"
    # shellcheck disable=SC2086
    "$target/gac" run recipes/mini.toml --device cpu --dtype f32 $limit --output-path "$folder/mini-cpu"
    "$target/gac" compare "$folder/mini-cpu" "$folder/mini"
else
    "$target/gac" compare results/baseline "$folder/mini" || true
fi

echo "== times"
on_card "$python" scripts/cuda/speed.py "$target/examples/gpu_speed" "$folder/models" --shapes "$@"
