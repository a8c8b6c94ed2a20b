#!/bin/bash
# proved.sh: whether `checks` has passed for exactly this commit in the merge queue, as `proved=true` or `proved=false`.
# All suites run there, whatever has changed, so the commit is completely tested. The workflow of such a run is the
# commit's own, and only people who may merge can add one to the queue.
set -euo pipefail
runs="repos/$GITHUB_REPOSITORY/actions/workflows/checks.yml/runs"
asked="head_sha=$GITHUB_SHA&event=merge_group&status=success&per_page=1"
# If the query fails, the checks run again.
count=$(gh api "$runs?$asked" --jq .total_count) || count=0
if [[ $count =~ ^[1-9][0-9]*$ ]]; then
  echo "proved=true"
else
  echo "proved=false"
fi
