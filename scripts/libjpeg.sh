#!/usr/bin/env bash
# Builds libjpeg-turbo for the portable wheel: static, with this machine's GCC, from the sources that the crate turbojpeg-sys brings.
# Prints the folder that holds it. GCC's code of the Huffman decoder is 5 % faster than that of zig's clang. The linker of the wheel
# refuses symbols that glibc 2.28 lacks. The folder is kept, and built again only when the crate, the compiler or this script changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo fetch --quiet --locked
crate=$(cargo metadata --format-version 1 --locked --offline |
  "${PYTHON:-python3}" -c 'import json, pathlib, sys
print(*(pathlib.Path(p["manifest_path"]).parent for p in json.load(sys.stdin)["packages"] if p["name"] == "turbojpeg-sys"))')
key=$({ echo "$crate"; gcc --version; cat scripts/libjpeg.sh; } | sha256sum | cut -c1-16)
folder=$PWD/target/libjpeg-turbo/$key
if [ ! -e "$folder/complete" ]; then
  echo "Building libjpeg-turbo in $folder" >&2
  rm -rf "$PWD/target/libjpeg-turbo"
  build=$folder/build
  {
    CC=gcc CFLAGS="-ffile-prefix-map=$crate=crates/turbojpeg-sys -ffile-prefix-map=$folder=libjpeg-turbo" cmake -S "$crate/libjpeg-turbo" -B "$build" \
      -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$folder" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
      -DENABLE_SHARED=OFF -DENABLE_STATIC=ON -DREQUIRE_SIMD=ON
    cmake --build "$build" --parallel --target turbojpeg-static
    mkdir -p "$folder/lib" "$folder/include"
    cp "$build/libturbojpeg.a" "$folder/lib/"
    cp "$crate/libjpeg-turbo/src/turbojpeg.h" "$folder/include/"
  } >&2
  rm -rf "$build"
  touch "$folder/complete"
fi
echo "$folder"
