#!/bin/bash
# settled.sh STACK: has the update taken? The preview after it must be empty. What is left is in settled.md, by property.
set -euo pipefail
stack=$1
written=$(mktemp)
trap 'rm -f "$written"' EXIT
export PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true
pulumi preview --json --non-interactive --stack "$stack" > "$written" || true
status=0
.venv/bin/python -m review --settled --stack "$stack" --preview "$written" > settled.md || status=$?
cat settled.md
cat settled.md >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
((status == 0)) || echo "::error::the update of $stack did not take, is to be published again, or it is not known: the summary says which"
exit "$status"
