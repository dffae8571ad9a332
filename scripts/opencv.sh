#!/usr/bin/env bash
# Builds OpenCV's modules core and imgproc as static libraries for glibc 2.28, and prints the folder that holds them.
# The sources are those of the package opencv-python-headless in requirements-dev.lock, so the tests compare the wheel with
# the same version. A folder belongs to one version and one recipe (this file and the tools); it is built if it is missing.
# scripts/wheel.sh calls this with the tools on PATH and the path of zig in ZIG.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

arch=$(uname -m)
version=$(sed -n 's/^opencv-python-headless==//p' requirements-dev.lock)
recipe=$(cat scripts/opencv.sh requirements-wheel.txt | sha256sum | cut -c 1-12)
prefix=$PWD/target/opencv/$version-$arch-$recipe
if [ -e "$prefix/include" ]; then
  echo "$prefix"
  exit
fi

mkdir -p target/opencv
# A build that was stopped leaves its folder behind.
rm -rf target/opencv/build-*
work=$(mktemp -d "$PWD/target/opencv/build-XXXXXX")
trap 'rm -rf "$work"' EXIT

echo "Fetching the sources of OpenCV $version" >&2
PIP_DISABLE_PIP_VERSION_CHECK=1 python -m pip download --quiet --no-deps --no-binary opencv-python-headless \
  --no-build-isolation --no-cache-dir --dest "$work" "opencv-python-headless==$version" >&2
tar -xzf "$work"/opencv_python_headless-*.tar.gz -C "$work" --strip-components=1 --wildcards '*/opencv/*'

# CMake wants one program for each tool.
mkdir "$work/bin"
for tool in cc c++; do
  printf '#!/bin/sh\nexec "%s" %s -target %s-linux-gnu.2.28 "$@"\n' "$ZIG" $tool "$arch" >"$work/bin/z$tool"
done
for tool in ar ranlib; do
  printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$ZIG" $tool >"$work/bin/z$tool"
done
chmod +x "$work"/bin/*

# Only core and imgproc, and nothing that they could do without: every option below is a library that the wheel would have to
# contain or to need. OpenCV's own threads are not used. The paths of the
# build stay out of the messages of errors and of the description of the build.
options=(
  -DCMAKE_C_COMPILER="$work/bin/zcc" -DCMAKE_CXX_COMPILER="$work/bin/zc++"
  -DCMAKE_AR="$work/bin/zar" -DCMAKE_RANLIB="$work/bin/zranlib"
  -DCMAKE_C_FLAGS="-ffile-prefix-map=$work/=" -DCMAKE_CXX_FLAGS="-ffile-prefix-map=$work/="
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$work/installed"
  -DBUILD_SHARED_LIBS=OFF -DBUILD_LIST=core,imgproc -DBUILD_ZLIB=ON
  -DWITH_IPP=OFF -DWITH_ITT=OFF -DWITH_OPENCL=OFF -DWITH_TBB=OFF -DWITH_OPENMP=OFF -DWITH_LAPACK=OFF -DWITH_EIGEN=OFF
  -DWITH_PROTOBUF=OFF -DWITH_ADE=OFF -DWITH_KLEIDICV=OFF -DCV_TRACE=OFF
  -DWITH_JPEG=OFF -DWITH_PNG=OFF -DWITH_TIFF=OFF -DWITH_WEBP=OFF -DWITH_OPENJPEG=OFF -DWITH_JASPER=OFF -DWITH_OPENEXR=OFF
  -DWITH_FFMPEG=OFF -DWITH_GSTREAMER=OFF -DWITH_V4L=OFF -DWITH_GTK=OFF
  -DBUILD_TESTS=OFF -DBUILD_PERF_TESTS=OFF -DBUILD_EXAMPLES=OFF -DBUILD_DOCS=OFF -DBUILD_JAVA=OFF
  -DBUILD_opencv_apps=OFF -DBUILD_opencv_python3=OFF
)
started=$SECONDS
echo "Building OpenCV $version" >&2
{
  cmake -G Ninja -S "$work/opencv" -B "$work/build" "${options[@]}" &&
    sed -i "s|$PWD|mmlrs|g" "$work/build/modules/core/version_string.inc" &&
    ninja -C "$work/build" install
} >target/opencv/build.log 2>&1 || {
  tail -n 40 target/opencv/build.log >&2
  exit 1
}
cp "$work/opencv/LICENSE" "$work/installed/"
mv "$work/installed" "$prefix"
echo "Built OpenCV $version in $((SECONDS - started)) s: $prefix" >&2
# Builds of other versions and recipes are of no use any more.
find "$PWD/target/opencv" -mindepth 1 -maxdepth 1 -type d ! -path "$prefix" ! -path "$work" -exec rm -rf {} +
echo "$prefix"
