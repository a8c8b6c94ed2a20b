#!/bin/bash
# The names of all stacks that are deployed, as a JSON list; one of role `global` reads what the others published, so it
# comes last.
set -euo pipefail
names=()
last=()
for file in Pulumi.*.yaml; do
  stack=${file#Pulumi.}
  stack=${stack%.yaml}
  # Names end up in matrices, environments and the heads of comments.
  if [[ ! $stack =~ ^[a-z0-9-]+$ ]]; then
    echo "$file: a stack's name has small letters, digits and dashes only" >&2
    exit 1
  fi
  if [[ $stack == sandbox ]]; then
    continue
  elif grep -Eq '^ *warp-edge:role: *"?global"? *(#.*)?$' "$file"; then
    last+=("\"$stack\"")
  else
    names+=("\"$stack\"")
  fi
done
names+=("${last[@]}")
(IFS=, && echo "[${names[*]}]")
