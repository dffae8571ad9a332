#!/usr/bin/env bash
# The Python tests, in two lanes side by side: a test on Spark waits more than it computes. Spark Connect runs in a process of
# its own, since pyspark is either classic or Connect for the life of a process. The second process of that lane runs the
# tests of training and those that start programs with sessions of their own, so that both lanes take about as long. The output
# of the second lane is shown when both are done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

programs=(tests/packaging tests/engine/test_resilience.py)
training=(tests/automl tests/train/test_learners.py tests/train/test_train.py)
slowest=--durations=20
log=$(mktemp)
trap 'rm -f "$log"' EXIT

(
  status=0
  python -m pytest -q $slowest tests/connect || status=$?
  python -m pytest -q $slowest "${training[@]}" "${programs[@]}" || status=$?
  exit $status
) >"$log" 2>&1 &
second=$!

status=0
python -m pytest -q $slowest --ignore tests/connect "${programs[@]/#/--ignore=}" "${training[@]/#/--ignore=}" || status=$?
wait $second || status=$?
cat "$log"
exit $status
