#!/usr/bin/env bash
# Installs a library that trains networks, for the measure "ann-epochs", in an environment of its own: .venv-bench-NAME.
#
#   scripts/bench_peers.sh jax      600 MB
#   scripts/bench_peers.sh torch    5.4 GB, most of it CUDA, which PyTorch loads when it is imported
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:?jax or torch}" in
  jax) packages=(jax==0.10.2 numpy==2.4.6) ;;
  torch) packages=(torch==2.15.0 numpy==2.4.6) ;;
  *) echo "bench_peers: no peer named $1" >&2 && exit 2 ;;
esac
venv=.venv-bench-$1
.venv/bin/python -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir "${packages[@]}"
