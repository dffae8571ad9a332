#!/usr/bin/env bash
# Rewrites requirements-dev.lock with the versions that pip selects today on Python 3.11 for requirements-dev.in and, without
# dependencies, for requirements-dev-nodeps.in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements-dev.in
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev-nodeps.in
{
  echo '# The development environment in exact versions. Written by `make lock` from requirements-dev*.in; do not edit.'
  "$work/venv/bin/python" -m pip freeze
} >"$work/lock"
mv "$work/lock" requirements-dev.lock
