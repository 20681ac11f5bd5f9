#!/bin/sh
# Runs tests of the inference crate on an emulated 64-bit Arm processor.
#
#     apt-get install qemu-user gcc-aarch64-linux-gnu g++-aarch64-linux-gnu
#     rustup target add aarch64-unknown-linux-gnu
#     scripts/arm/emulated.sh FOLDER --lib kernel::
#     scripts/arm/emulated.sh FOLDER --test same_bits --test decoders
#
# FOLDER keeps what cargo builds. Results are an Arm's; how long they take says nothing.
set -eu

folder=${1:?"usage: emulated.sh FOLDER WHAT..., as cargo test takes it"}
shift
for program in qemu-aarch64 aarch64-linux-gnu-gcc aarch64-linux-gnu-g++; do
    command -v "$program" >/dev/null || { echo "there is no $program" >&2; exit 2; }
done

export CARGO_TARGET_DIR="$folder" CARGO_PROFILE_RELEASE_LTO=off
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
cd "$(dirname "$0")/../.."
exec cargo test --release --locked --target aarch64-unknown-linux-gnu --package gac-inference "$@"
