#!/usr/bin/env bash
# Prepares this checkout: system packages, the Python environment, the compiled extension. A step with nothing to do is
# skipped, so a second call takes only a moment. Needs no terminal.
#
#   scripts/setup.sh          everything
#   scripts/setup.sh system   system packages only
#   scripts/setup.sh python   system packages and the Python environment
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
upto="${1:-all}"
venv=.venv
profile="${BUILD_PROFILE:-release}"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# ---- Requirements ---------------------------------------------------------------------------------------------------

# The first Python of at least 3.11, the oldest version that the packages of development support.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3 python3.12 python3.13; do
    [ -n "$candidate" ] && have "$candidate" || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

java_major() { # of the given java: "17.0.15" -> 17, "1.8.0" -> 1
  "$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

# A java of at least 17: from JAVA_HOME, from PATH, or one that Debian installed beside an older default.
find_java() {
  local candidate major
  for candidate in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [ -x "$candidate" ] || continue
    major=$(java_major "$candidate")
    if [ "${major:-0}" -ge 17 ]; then
      echo "$candidate"
      return
    fi
  done
}

has_libclang() {
  local pattern
  [ -n "${LIBCLANG_PATH:-}" ] && return
  for pattern in '/usr/lib/llvm-*/lib' '/usr/lib/*-linux-gnu' '/usr/lib' '/usr/lib64'; do
    compgen -G "$pattern/libclang.so*" >/dev/null && return
    compgen -G "$pattern/libclang-[0-9]*.so*" >/dev/null && return
  done
  return 1
}

# The Debian names of the missing packages. The check looks for their files, so it does not matter how these were installed.
missing_packages() {
  local python
  have make || echo make
  have gcc || echo gcc
  have g++ || echo g++
  have clang || echo clang
  has_libclang || echo libclang-dev
  have cmake || echo cmake
  have nasm || echo nasm
  have pkg-config || echo pkg-config
  [ -e /usr/include/opencv4/opencv2/core.hpp ] || echo libopencv-core-dev
  [ -e /usr/include/opencv4/opencv2/imgproc.hpp ] || echo libopencv-imgproc-dev
  [ -n "$(find_java)" ] || echo openjdk-17-jre-headless
  python=$(find_python)
  if [ -z "$python" ]; then
    echo python3 python3-venv
  elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo python3-venv
  fi
}

install_packages() {
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -gt 0 ] || return 0
  local command="apt-get install -y --no-install-recommends ${missing[*]}"
  have apt-get || die "these Debian packages, or their equivalents on this system, are missing: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; } ||
      die "system packages are missing, and this user may not install them. Run as root: $command"
    as_root=(sudo)
  fi
  say "Installing system packages: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  # shellcheck disable=SC2086  # the command is a list of words
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $command -qq </dev/null >/dev/null ||
    die "could not install: ${missing[*]}"
  hash -r
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -eq 0 ] || die "still missing after the installation: ${missing[*]}"
}

# ---- The steps ------------------------------------------------------------------------------------------------------

# True if the file contains this text already, which means that the step is up to date.
stamped() { [ -e "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# Some packages are installed without their dependencies, because tests use only their files or core.
pip_install() { $venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 --no-deps "$@"; }

crates= # the process that compiles beside pip

make_venv() {
  local python key
  python=$(find_python)
  key="$("$python" -V) $(sha256sum requirements-dev.lock)"
  if stamped $venv/stamp-python "$key"; then return; fi
  say "Python environment in $venv ($("$python" -V))"
  [ -x $venv/bin/python ] && [ "$($venv/bin/python -V 2>&1)" = "$("$python" -V)" ] || "$python" -m venv --clear $venv
  if [ "$upto" = all ]; then
    need_cargo
    # The crates compile while the other packages are downloaded.
    pip_install "$(grep '^maturin==' requirements-dev.lock)"
    compile_crates &
    crates=$!
    trap 'kill "$crates" 2>/dev/null || true' EXIT
  fi
  pip_install -r requirements-dev.lock
  if [ -n "$crates" ]; then
    wait "$crates" || die "the extension does not compile"
    trap - EXIT
  fi
  rm -f $venv/stamp-extension
  echo "$key" >$venv/stamp-python
}

# Environment variables for `make` and the tests.
write_environment() {
  local java ort
  java=$(readlink -f "$(find_java)")
  ort=$(echo "$PWD"/$venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*)
  cat >$venv/environment <<TXT
export PATH="$PWD/$venv/bin:\$PATH"
export VIRTUAL_ENV="$PWD/$venv"
export JAVA_HOME="${java%/bin/java}"
export ORT_DYLIB_PATH="$ort"
export PYSPARK_PYTHON="$PWD/$venv/bin/python"
TXT
}

extension_key() {
  {
    find Cargo.toml Cargo.lock .cargo pyproject.toml rust -type f \
      -not -path '*/target/*' -not -path 'rust/fuzz/*' -print0 | sort -z | xargs -0 sha256sum
    rustc --version
    echo "$profile"
  } | sha256sum
}

has_extension() { [ -e mmlrs/_native.abi3.so ] && stamped $venv/stamp-extension "$1"; }

need_cargo() { have cargo || die "cargo is missing: install Rust 1.92 or newer (https://rustup.rs), then run this again"; }

# Compiles what `maturin develop` will need. Plain `cargo build` would select other features of Arrow and other variables of pyo3, and
# most crates would be compiled twice.
compile_crates() {
  say "The extension compiles meanwhile (the first time takes several minutes)"
  PATH="$PWD/$venv/bin:$PATH" VIRTUAL_ENV="$PWD/$venv" \
    maturin build --profile "$profile" --locked --quiet --auditwheel skip --out target/extension
  rm -r target/extension
}

build_extension() {
  local key
  need_cargo
  key=$(extension_key)
  if has_extension "$key"; then return; fi
  say "Building the extension (the first time takes several minutes)"
  # shellcheck disable=SC1091
  (. $venv/environment && PIP_QUIET=2 maturin develop --profile "$profile" --locked --quiet)
  echo "$key" >$venv/stamp-extension
}

install_packages
[ "$upto" = system ] && exit 0
make_venv
write_environment
[ "$upto" = python ] && exit 0
build_extension
