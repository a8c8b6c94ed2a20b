#!/bin/bash
# review.sh preview|refresh STACK: what an update would do, or what others changed in the cloud, into report.md.
#
# Into $GITHUB_OUTPUT: `visible`, whether it needs an approval (of a refresh: whether there is drift), and `report`, a
# hash of the report. It fails where nothing can be deployed, or nothing is known; report.md is there all the same.
set -euo pipefail
command=$1 stack=$2
# shellcheck source=.github/scripts/policies.sh
source "$(dirname "$0")/policies.sh"
case $command in
  preview) arguments=(preview --json "${policies[@]}") ;;
  # With the program: DS records and the database's authority are known to it alone. What it declares and the state does
  # not have is left alone.
  refresh) arguments=(refresh --preview-only --run-program --json) ;;
  *) echo "usage: review.sh preview|refresh STACK" >&2; exit 2 ;;
esac
marker="<!-- warp-edge review: $stack -->"
written=$(mktemp) again=$(mktemp) both=$(mktemp)
trap 'rm -f "$written" "$again" "$both"' EXIT

# Only this form tells outputs and policies. What the engine thinks of it stands in it.
export PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true
pulumi "${arguments[@]}" --non-interactive --stack "$stack" > "$written" || true
status=0
.venv/bin/python -m review --stack "$stack" --preview "$written" --marker "$marker" > report.md || status=$?
# A program that refuses ends the refresh before the cloud is asked. What moved meanwhile must not go unseen.
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
# A refresh that the cloud refuses is something to look at, and told as drift; a preview that fails is not deployed.
case $command-$status in
  *-0 | *-3 | refresh-4) ;;
  *) exit "$status" ;;
esac
