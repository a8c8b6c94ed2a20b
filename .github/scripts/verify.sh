#!/bin/bash
# verify.sh STACK [OPTION...]: the stack's promise, checked from here; the table also into the run's summary.
set -euo pipefail
stack=$1
shift
written=$(mktemp)
trap 'rm -f "$written"' EXIT
status=0
.venv/bin/python -m verify --stack "$stack" "$@" > "$written" || status=$?
cat "$written"
# No line of the table can end the code block: all begin with the verdict's column.
{
  printf '## Promise of stack `%s`\n\n```\n' "$stack"
  cat "$written"
  printf '```\n'
} >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
exit "$status"
