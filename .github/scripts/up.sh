#!/bin/bash
# up.sh STACK: deploy what was reviewed, under the policies. If the update fails, the run's summary has the reason.
set -euo pipefail
stack=$1
# shellcheck source=.github/scripts/policies.sh
source "$(dirname "$0")/policies.sh"
events=$(mktemp)
trap 'rm -f "$events"' EXIT
status=0
# The engine hides --event-log without that variable.
PULUMI_DEBUG_COMMANDS=true pulumi up --yes --skip-preview --non-interactive --suppress-outputs --event-log "$events" \
  --stack "$stack" "${policies[@]}" || status=$?
if ((status)); then
  .venv/bin/python -m review --failed --stack "$stack" --preview "$events" >> "${GITHUB_STEP_SUMMARY:-/dev/stdout}" || true
fi
exit "$status"
