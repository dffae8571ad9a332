#!/usr/bin/env bash
# Runs a command. Appends its name and wall time to the file $TIMES, if that is set: scripts/timed.sh NAME COMMAND...
name=$1
shift
start=$SECONDS
status=0
"$@" || status=$?
[ -z "${TIMES:-}" ] || printf '%6d s  %s\n' $((SECONDS - start)) "$name" >>"$TIMES"
exit $status
