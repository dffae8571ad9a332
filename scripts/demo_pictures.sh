#!/usr/bin/env bash
# Installs the pictures of Tux Paint for `make demo` if this user may install packages. The demo uses others if that fails, so
# every failure is a message and no error. MMLRS_TUXPAINT_STAMPS names the pictures of an unpacked package.
set -euo pipefail
package=tuxpaint-stamps-default

[ -z "${MMLRS_TUXPAINT_STAMPS:-}" ] || exit 0
[ ! -d /usr/share/tuxpaint/stamps/animals ] || exit 0

without() {
  printf 'demo: %s, so the demo uses pictures of scikit-image. To use those of Tux Paint: apt-get install %s\n' "$1" "$package" >&2
  exit 0
}

command -v apt-get >/dev/null || without "this system has no apt-get"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  { command -v sudo && sudo -n true; } >/dev/null 2>&1 || without "this user may not install packages"
  as_root=(sudo)
fi
printf '\033[1m==>\033[0m Installing the pictures of Tux Paint (%s, 160 MB)\n' "$package" >&2
as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=60)
"${as_root[@]}" update </dev/null >/dev/null 2>&1 || true # the lists that are there may suffice
"${as_root[@]}" install -y --no-install-recommends "$package" </dev/null >/dev/null 2>&1 ||
  without "$package could not be installed"
