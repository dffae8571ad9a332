#!/usr/bin/env bash
# Runs the Python tests in two parallel lanes. Spark Connect needs a separate process, because a pyspark process is either
# classic or Connect. The training tests, and those that start programs with their own sessions, run in that lane too, so that both
# lanes take about the same time. It runs in the background, where the shell ignores SIGINT: tests of Ctrl-C belong to the first one.
# The output of the second lane is shown when both are done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

programs=(tests/packaging tests/examples tests/fuzz tests/engine/test_resilience.py)
training=(tests/automl tests/train/test_learners.py tests/train/test_train.py tests/ann/test_{fine_tuner,tuning,workers}.py)
slowest=--durations=20
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Most queries of the tests run once, so compiling them costs more than it saves. The README's example runs with the default
# settings, as do the smoke tests on other versions of PySpark.
export JDK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC ${JDK_JAVA_OPTIONS:-}"
export PYSPARK_SUBMIT_ARGS="--conf spark.sql.codegen.wholeStage=false --conf spark.sql.codegen.factoryMode=NO_CODEGEN pyspark-shell"

(
  status=0
  scripts/timed.sh "Connect" python -m pytest -q $slowest tests/connect || status=$?
  scripts/timed.sh "training" python -m pytest -q $slowest "${training[@]}" || status=$?
  scripts/timed.sh "programs" python -m pytest -q $slowest "${programs[@]}" || status=$?
  exit $status
) >"$log" 2>&1 &
second=$!

status=0
scripts/timed.sh "all other Python tests" \
  python -m pytest -q $slowest --ignore tests/connect "${programs[@]/#/--ignore=}" "${training[@]/#/--ignore=}" || status=$?
wait $second || status=$?
cat "$log"
exit $status
