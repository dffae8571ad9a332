#!/usr/bin/env bash
# Installs the portable wheel in an environment of its own and uses it there, then runs the tests of images, which compare it
# with cv2, on the installed wheel. The libraries of the system's OpenCV are hidden meanwhile.
#
#   scripts/test_wheel.sh                       with Python 3.11: everything
#   PYTHON=python3.13 scripts/test_wheel.sh     with another Python: the environment, without the tests of images
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# In a mount namespace, an empty file lies over each library. Without the right to make one, the libraries stay in sight, and
# only the list of loaded libraries shows that they are not used.
if [ -z "${MMLRS_HIDDEN:-}" ]; then
  export MMLRS_HIDDEN=yes
  for namespace in "unshare --mount" "unshare --mount --map-root-user"; do
    if $namespace true 2>/dev/null; then exec $namespace "$PWD/scripts/test_wheel.sh" "$@"; fi
  done
  echo "test-wheel: no mount namespace here, so the system's OpenCV stays in sight" >&2
else
  for library in /usr/lib/*/libopencv_*.so* /usr/local/lib/libopencv_*.so*; do
    if [ -f "$library" ]; then mount --bind /dev/null "$(readlink -f "$library")"; fi
  done
fi

wheel=$(ls -t target/wheels/mmlrs-*manylinux_2_28*.whl 2>/dev/null | head -n 1)
[ -n "$wheel" ] || { echo "test-wheel: there is no wheel: make wheel" >&2; exit 1; }
wheel=$PWD/$wheel
python=${PYTHON:-.venv/bin/python}
version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
environment=$PWD/target/wheel-test/$version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- As a user ------------------------------------------------------------------------------------------------------

# The packages stay from run to run; mmlrs itself is installed anew.
[ -x "$environment/bin/python" ] || "$python" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check "mmlrs[spark,onnx,models] @ file://$wheel"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"
cp tests/packaging/wheel_smoke.py "$work/"
# Nothing of this shell's environment: ORT_DYLIB_PATH or PYTHONPATH would bring in packages of development.
clean=(env -i "HOME=$HOME" "LANG=C.UTF-8" "PATH=$environment/bin:/usr/local/bin:/usr/bin:/bin"
  ${JAVA_HOME:+"JAVA_HOME=$JAVA_HOME"} "PYSPARK_PYTHON=$environment/bin/python")
(cd "$work" && "${clean[@]}" "$environment/bin/python" -I wheel_smoke.py "$@")

# ---- The pixels -----------------------------------------------------------------------------------------------------

[ -z "${PYTHON:-}" ] || exit 0
# The packages of development, with the wheel before them. PYTHONSAFEPATH and the option keep the checkout out of the path.
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$work/site" "$wheel"
export PYTHONPATH="$work/site:$PWD/tests" PYTHONSAFEPATH=1
.venv/bin/python -c 'import mmlrs, sys; sys.exit(not mmlrs.__file__.startswith(sys.argv[1]))' "$work/site"
.venv/bin/python -m pytest -q -o pythonpath=tests -p wheel_in_use tests/images
