#!/bin/bash
# settled.sh STACK: did the update take effect? The preview after it has to be empty. settled.md lists what is left, by
# property.
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
((status == 0)) || echo "::error::the update of $stack did not take effect, has to be published again, or the result is unknown: see the summary"
exit "$status"
