#!/bin/bash
# proved.sh: whether `checks` has passed for exactly this commit when it waited in the merge queue, as `proved=true` or
# `proved=false`. There all suites run, whatever has changed, so that a commit is proved whole. The workflow of such a
# run is the commit's own, and only who may merge can put one into the queue.
set -euo pipefail
runs="repos/$GITHUB_REPOSITORY/actions/workflows/checks.yml/runs"
asked="head_sha=$GITHUB_SHA&event=merge_group&status=success&per_page=1"
# Without an answer the checks run again.
count=$(gh api "$runs?$asked" --jq .total_count) || count=0
if [[ $count =~ ^[1-9][0-9]*$ ]]; then
  echo "proved=true"
else
  echo "proved=false"
fi
