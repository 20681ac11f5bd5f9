#!/bin/sh
# Type-checks and lints the CUDA code on a machine without a GPU and without a CUDA toolkit.
#
#     scripts/cuda/check.sh FOLDER [FEATURES]
#
# FOLDER (about 4 GB) keeps a CUDA compiler from PyPI and what cargo builds; FEATURES are `cuda,flash-attn` unless told
# otherwise. CARGO_TARGET_DIR moves what cargo builds elsewhere; not to where you build to run, see below.
#
# Compiled for real: all Rust code, and candle's own CUDA kernels (candle-kernels, some minutes).
# Stood in for: the 53 kernels of candle-flash-attn, which take hours and whose build script clones CUTLASS from GitHub.
# Each becomes an empty object, and CUTLASS an empty checkout that bears the commit's name. So nothing that is built
# here links with flash-attn, and nothing is run: what the kernels compute is not checked.
set -eu

folder=${1:?"usage: check.sh FOLDER [FEATURES]"}
features=${2:-cuda,flash-attn}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")/../.."

if [ ! -e "$folder/venv/complete" ]; then
    python3 -m venv "$folder/venv"
    # Of one release, the newest that cudarc 0.19 knows.
    "$folder/venv/bin/pip" install --quiet \
        "nvidia-cuda-nvcc==13.0.*" "nvidia-cuda-crt==13.0.*" "nvidia-nvvm==13.0.*" "nvidia-cuda-cccl==13.0.*" \
        "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-nvrtc==13.0.*" nvidia-curand
    touch "$folder/venv/complete"
fi
CUDA_HOME=$(echo "$folder"/venv/lib/python3.*/site-packages/nvidia/cu13)
export CUDA_HOME CUDA_PATH="$CUDA_HOME" CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-80}"
# Build scripts look for libraries where a toolkit has them.
[ -e "$CUDA_HOME/lib64" ] || ln -s lib "$CUDA_HOME/lib64"

# An nvcc that is found first. Build scripts run in their package's folder: in candle-flash-attn's it compiles nothing.
mkdir -p "$folder/stand-in/bin"
ln -sfn "$CUDA_HOME/include" "$folder/stand-in/include"
ln -sfn "$CUDA_HOME/lib64" "$folder/stand-in/lib64"
cat >"$folder/stand-in/bin/nvcc" <<EOF
#!/bin/sh
case \$PWD in
*/candle-flash-attn-*)
    object=
    compile=
    previous=
    for argument; do
        [ "\$argument" = -c ] && compile=yes
        [ "\$previous" = -o ] && object=\$argument
        previous=\$argument
    done
    [ -z "\$compile" ] || exec \${CC:-cc} -x c -c /dev/null -o "\$object"
    ;;
esac
exec "$CUDA_HOME/bin/nvcc" "\$@"
EOF
chmod +x "$folder/stand-in/bin/nvcc"
export PATH="$folder/stand-in/bin:$PATH"

# What candle-flash-attn 0.11.1 asks for. In a cache of our own, so that no later build takes it for CUTLASS.
cutlass=7d49e6c7e2f8896c47f586706e67e1fb215529dc
export CUDAFORGE_HOME="$folder/cudaforge"
checkout="$CUDAFORGE_HOME/git/checkouts/cutlass-$(echo $cutlass | cut -c 1-16)"
if [ ! -e "$checkout/include" ]; then
    git init --quiet "$checkout"
    echo $cutlass >"$checkout/.git/HEAD"
    mkdir "$checkout/include"
fi

# Its own folder: a build to run must not find the empty kernels.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$folder/target}"
exec cargo clippy --workspace --release --all-targets --features "$features" -- -D warnings
