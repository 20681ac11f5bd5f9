#!/usr/bin/env bash
# Installs SGLang from PyPI into FOLDER, for a CPU without a GPU (6 GB), and writes FOLDER/serve.
#
#     scripts/remote/sglang_cpu.sh FOLDER
#     FOLDER/serve MODEL PORT [SGLang's own flags]     # MODEL is a folder; ready when /health answers 200, after a minute or two
#
# SGLang's wheel asks for CUDA packages that a CPU has no use for: they are left out. Nothing of SGLang itself is changed.
# On a CPU it imports `sgl_kernel`, whose compiled kernels PyPI has for GPUs only, and calls none of them where it does
# without speculative decoding: a module of that name stands in, whose functions refuse to be called. What is computed is
# the plain PyTorch that SGLang falls back to. It computes in f32 here; `--dtype bfloat16` rounds as GPUs do.
set -euo pipefail
version=0.5.23
folder=${1:?"usage: sglang_cpu.sh FOLDER"}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
python=$folder/venv/bin/python
[ -x "$python" ] || python3 -m venv "$folder/venv"

if ! "$python" -m pip show --quiet "sglang" 2>/dev/null; then
    "$python" -m pip download --quiet --no-deps --dest "$folder" "sglang==$version"
    # What is named here runs on GPUs, reads video, or is used by other parts of SGLang.
    without='apache-tvm|av|cuda|decord|deepseek|flash|humming|kernels|mistral|modelscope|numba|nvidia-(cutlass|mathdx)|nvshmem|py-spy|quack|sgl-|sglang|smg|tilelang|timm|tml|torchcodec'
    "$python" - "$folder"/sglang-$version-*.whl >"$folder/requirements.txt" <<'PYTHON'
import sys
import zipfile
from email.parser import HeaderParser

wheel = zipfile.ZipFile(sys.argv[1])
metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
for need in HeaderParser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist"):
    if "extra ==" not in need:
        print(need)
PYTHON
    grep -vE "^($without)" "$folder/requirements.txt" >"$folder/installed.txt"
    "$python" -m pip install --quiet --requirement "$folder/installed.txt"
    "$python" -m pip install --quiet --no-deps "$folder"/sglang-$version-*.whl
fi

site=$("$python" -c 'import site; print(site.getsitepackages()[0])')
if [ ! -e "$site/sgl_kernel/__init__.py" ]; then
    mkdir -p "$site/sgl_kernel"
    cat >"$site/sgl_kernel/__init__.py" <<'PYTHON'
"""Stands in for SGLang's compiled kernels, which PyPI has for GPUs only."""


def __getattr__(name):
    if not name.endswith("_cpu"):
        raise AttributeError(name)

    def kernel(*_args, **_kwargs):
        raise NotImplementedError(f"the kernel {name} has to be compiled")

    return kernel
PYTHON
fi

cat >"$folder/serve" <<SERVE
#!/bin/sh
model=\$1; port=\$2; shift 2
export SGLANG_USE_CPU_ENGINE=1 HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE KMP_BLOCKTIME=0 GOMP_SPINCOUNT=0
exec "$python" -m sglang.launch_server --model-path "\$model" --host 127.0.0.1 --port "\$port" --device cpu \\
    --attention-backend torch_native --sampling-backend pytorch --dtype float32 --context-length 2048 \\
    --mem-fraction-static 0.2 --max-total-tokens 16384 --sleep-on-idle "\$@"
SERVE
chmod +x "$folder/serve"
"$python" -c 'import importlib.metadata as m; print("sglang", m.version("sglang"), "torch", m.version("torch"))'
