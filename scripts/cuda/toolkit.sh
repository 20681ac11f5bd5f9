# Sourced: `toolkit FOLDER` makes a CUDA compiler from PyPI ready and tells build scripts where it is.
#
# Kernels that a crate links, rather than embeds as PTX, become empty objects: the 53 of candle-flash-attn, which take hours
# and whose build script clones CUTLASS from GitHub, and candle-kernels' for products of quantised weights, which `gac` does
# not use. CUTLASS becomes an empty checkout that bears the commit's name.
toolkit() {
    mkdir -p "$1"
    toolkit_folder=$(cd "$1" && pwd)
    if [ ! -e "$toolkit_folder/venv/complete" ]; then
        python3 -m venv "$toolkit_folder/venv"
        # Of one release, the newest that cudarc 0.19 knows.
        "$toolkit_folder/venv/bin/pip" install --quiet \
            "nvidia-cuda-nvcc==13.0.*" "nvidia-cuda-crt==13.0.*" "nvidia-nvvm==13.0.*" "nvidia-cuda-cccl==13.0.*" \
            "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-nvrtc==13.0.*" nvidia-curand
        touch "$toolkit_folder/venv/complete"
    fi
    CUDA_HOME=$(echo "$toolkit_folder"/venv/lib/python3.*/site-packages/nvidia/cu13)
    export CUDA_HOME CUDA_PATH="$CUDA_HOME" CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-80}"
    # Build scripts look for libraries where a toolkit has them.
    [ -e "$CUDA_HOME/lib64" ] || ln -s lib "$CUDA_HOME/lib64"

    # An nvcc that is found first. Build scripts run in their package's folder.
    mkdir -p "$toolkit_folder/stand-in/bin"
    ln -sfn "$CUDA_HOME/include" "$toolkit_folder/stand-in/include"
    ln -sfn "$CUDA_HOME/lib64" "$toolkit_folder/stand-in/lib64"
    cat >"$toolkit_folder/stand-in/bin/nvcc" <<NVCC
#!/bin/sh
case \$PWD in
*/candle-flash-attn-* | */candle-kernels-*)
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
NVCC
    chmod +x "$toolkit_folder/stand-in/bin/nvcc"
    export PATH="$toolkit_folder/stand-in/bin:$PATH" NVCC="$toolkit_folder/stand-in/bin/nvcc"

    # What candle-flash-attn 0.11.1 asks for. In a cache of our own, so that no later build takes it for CUTLASS.
    cutlass=7d49e6c7e2f8896c47f586706e67e1fb215529dc
    export CUDAFORGE_HOME="$toolkit_folder/cudaforge"
    checkout="$CUDAFORGE_HOME/git/checkouts/cutlass-$(echo $cutlass | cut -c 1-16)"
    if [ ! -e "$checkout/include" ]; then
        git init --quiet "$checkout"
        echo $cutlass >"$checkout/.git/HEAD"
        mkdir "$checkout/include"
    fi
}
