#!/usr/bin/env bash
# Checks the results and the speed of networks on this machine's GPU: README.md. Without a GPU it says so and ends.
#
#   scripts/gpu_check/run.sh               in a checkout: builds the folder target/gpu-check, and runs the copy of this script there
#   target/gpu-check/run.sh                on any machine, with the Python of its PATH
#   target/gpu-check/run.sh --device cpu   the same comparisons on few pictures on the CPU
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [[ " $* " != *" --device cpu "* ]] && ! nvidia-smi --list-gpus >/dev/null 2>&1; then
  echo "gpu-check: this machine has no NVIDIA GPU, so nothing was checked"
  exit 0
fi

if [ ! -d "$here/wheels" ]; then
  cd "$here/../.."
  make --no-print-directory gpu-folder
  . .venv/environment
  exec target/gpu-check/run.sh "$@"
fi

site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --target "$site" "$here"/wheels/*.whl
export PYTHONPATH="$site" PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
# CUDA and cuDNN, where they are Python packages.
libraries=$(python3 -c 'import glob, site; print(":".join(glob.glob(site.getsitepackages()[0] + "/nvidia/*/lib")))')
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
python3 "$here/check.py" "$@"
