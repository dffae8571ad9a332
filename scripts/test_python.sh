#!/usr/bin/env bash
# Runs the Python tests in two parallel lanes. Spark Connect needs a separate process, because a pyspark process is either
# classic or Connect. The second process of that lane runs the training tests and those that start programs with their own
# sessions, so that both lanes take about the same time. The output of the second lane is shown when both are done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

programs=(tests/packaging tests/engine/test_resilience.py)
training=(tests/automl tests/train/test_learners.py tests/train/test_train.py)
slowest=--durations=20
log=$(mktemp)
trap 'rm -f "$log"' EXIT

(
  status=0
  scripts/timed.sh "Connect" python -m pytest -q $slowest tests/connect || status=$?
  scripts/timed.sh "training and programs" \
    python -m pytest -q $slowest "${training[@]}" "${programs[@]}" || status=$?
  exit $status
) >"$log" 2>&1 &
second=$!

status=0
scripts/timed.sh "all other Python tests" \
  python -m pytest -q $slowest --ignore tests/connect "${programs[@]/#/--ignore=}" "${training[@]/#/--ignore=}" || status=$?
wait $second || status=$?
cat "$log"
exit $status
