#!/bin/sh
# Runs a command on GPUs that are not there: what it builds is linked with a CUDA driver that runs kernels on the CPU.
#
#     scripts/cuda/emulator/run.sh FOLDER COMMAND...
#     scripts/cuda/emulator/run.sh FOLDER cargo test --release --workspace --features cuda --test cuda
#     scripts/cuda/emulator/run.sh FOLDER cargo run --release --features cuda -- score --device cuda:0 ...
#
# FOLDER keeps a CUDA compiler from PyPI (../toolkit.sh), the driver, what cargo builds, and kernels that were translated.
# Kernels are the real ones, candle's and our own: their PTX is translated to C (translate.py) when they are first launched.
# cuBLAS and flash attention are plain loops, memory is the host's, and there are three devices unless EMULATOR_DEVICES says
# otherwise. The process ends with a message
#   - where a kernel touches what is not its memory, or its threads wait for ever;
#   - where a stream uses memory that another stream may still be using;
#   - where something is called that is not there.
# Every launch, allocation, event, and copy up or down is a line of FOLDER/log (EMULATOR_LOG), which begins anew.
set -eu

folder=${1:?"usage: run.sh FOLDER COMMAND..."}
shift
tools=$(cd "$(dirname "$0")" && pwd)
. "$tools/../toolkit.sh"
toolkit "$folder"

libraries=$toolkit_folder/emulator
mkdir -p "$libraries"
library=$libraries/libgac_emulator.so
if [ -n "$(find "$tools" -newer "$library" \( -name '*.cpp' -o -name '*.h*' \) 2>&1)" ]; then
    g++ -std=c++20 -O2 -march=native -fno-strict-aliasing -w -shared -fPIC -Wl,-soname,libgac_emulator.so -o "$library.new" \
        "$tools"/*.cpp -ldl
    mv "$library.new" "$library"
    # All libraries are one.
    for name in cuda cublas cublasLt cudart curand nvrtc; do
        ln -sfn libgac_emulator.so "$libraries/lib$name.so"
    done
fi

export LIBRARY_PATH="$libraries" LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
# What the emulator has not is looked for when it is called, and then named.
export RUSTFLAGS="-L native=$libraries -C relro-level=partial -C link-arg=-Wl,--unresolved-symbols=ignore-all -C link-arg=-Wl,-z,lazy"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$toolkit_folder/target}"
# Kernels are kept for this translator.
translator=$(cat "$tools"/*.py "$tools/kernel.h" | cksum | cut -d ' ' -f 1)
export EMULATOR_TOOLS="$tools" EMULATOR_KERNELS="$toolkit_folder/kernels/$translator"
export EMULATOR_LOG="${EMULATOR_LOG:-$toolkit_folder/log}"
rm -f "$EMULATOR_LOG"
# PTX is all that can be translated.
export GAC_CUDA_CODE=
# Tests that need the emulator (crates/needs).
export GAC_GPU=emulated GAC_CUDA_EMULATOR="$toolkit_folder"
exec "$@"
