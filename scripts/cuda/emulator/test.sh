#!/bin/sh
# All tests that need a GPU, on emulated ones: our kernels beside candle's operations, whole models, and what a step costs.
#
#     scripts/cuda/emulator/test.sh FOLDER [FEATURES]
#
# FEATURES are `cuda`, or `cuda,flash-attn`, for which flash attention is stood in for. FOLDER is run.sh's.
set -eu

folder=${1:?"usage: test.sh FOLDER [FEATURES]"}
features=${2:-cuda}
cd "$(dirname "$0")/../../.."

# The same packages in every call: with others, candle's kernels would be compiled anew.
on_emulator() {
    scripts/cuda/emulator/run.sh "$folder" cargo test --release --locked -p gac -p gac-inference --features "$features" "$@"
}
# Of the crate's own tests, those that need a GPU.
on_emulator --lib -- cuda kernels a_kernel a_list_of_twenty
# One at a time: the budgets count all that is asked of the GPUs.
on_emulator --test cuda --test cuda_budgets -- --nocapture --test-threads 1

# The beginning of the mini recipe, beside the CPU.
scripts/cuda/emulator/run.sh "$folder" \
    cargo build --release --locked -p gac -p gac-inference --features "$features" --bin gac
gac() {
    scripts/cuda/emulator/run.sh "$folder" "$folder/target/release/gac" "$@"
}
for device in cpu cuda:0; do
    rm -rf "$folder/mini-$device"
    gac run recipes/mini.toml --limit 2 --dtype f32 --max-memory 64MiB --device "$device" \
        --output-path "$folder/mini-$device"
done
gac compare "$folder/mini-cpu" "$folder/mini-cuda:0" --fail-on regression
