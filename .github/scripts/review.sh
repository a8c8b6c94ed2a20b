#!/bin/bash
# review.sh preview|refresh STACK: writes report.md: what an update would do, or the drift in the cloud.
#
# Writes to $GITHUB_OUTPUT: `visible`, whether an approval is needed (of a refresh: whether there is drift), and
# `report`, a hash of the report. It fails if nothing can be deployed, or nothing is known; report.md is written anyway.
set -euo pipefail
command=$1 stack=$2
# shellcheck source=.github/scripts/policies.sh
source "$(dirname "$0")/policies.sh"
case $command in
  preview) arguments=(preview --json "${policies[@]}") ;;
  # With the program, because only it knows DS records and the database's CA. Resources that it declares and that are not
  # in the state are ignored.
  refresh) arguments=(refresh --preview-only --run-program --json) ;;
  *) echo "usage: review.sh preview|refresh STACK" >&2; exit 2 ;;
esac
marker="<!-- warp-edge review: $stack -->"
written=$(mktemp) again=$(mktemp) both=$(mktemp)
trap 'rm -f "$written" "$again" "$both"' EXIT

# Only this format has outputs and policies; the engine's own verdict is in it as well.
export PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true
pulumi "${arguments[@]}" --non-interactive --stack "$stack" > "$written" || true
status=0
.venv/bin/python -m review --stack "$stack" --preview "$written" --marker "$marker" > report.md || status=$?
# If the program refuses, the refresh ends before the cloud is queried; other drift must be reported all the same.
if [[ $command-$status == refresh-4 ]]; then
  pulumi refresh --preview-only --json --non-interactive --stack "$stack" > "$again" || true
  .venv/bin/python -m review --stack "$stack" --preview "$written" --again "$again" --marker "$marker" > "$both" || true
  [[ ! -s $both ]] || cp "$both" report.md
fi
case $status in
  0) visible=false ;;
  3 | 4) visible=true ;;
  *)
    visible=true
    printf '%s\n## Stack `%s`\n\n**There is no report: the log of this run says why.**\n' "$marker" "$stack" > report.md
    ;;
esac
echo "visible=$visible" >> "${GITHUB_OUTPUT:-/dev/stdout}"
echo "report=$(sha256sum report.md | cut -d ' ' -f 1)" >> "${GITHUB_OUTPUT:-/dev/stdout}"
cat report.md >> "${GITHUB_STEP_SUMMARY:-/dev/stdout}"
# A refresh that the cloud refuses needs attention and is reported as drift; a failed preview is not deployed.
case $command-$status in
  *-0 | *-3 | refresh-4) ;;
  *) exit "$status" ;;
esac
