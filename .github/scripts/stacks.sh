#!/bin/bash
# The names of all stacks that are deployed, as a JSON list.
set -euo pipefail
names=()
for file in Pulumi.*.yaml; do
  stack=${file#Pulumi.}
  stack=${stack%.yaml}
  # Names end up in matrices, environments and the heads of comments.
  if [[ ! $stack =~ ^[a-z0-9-]+$ ]]; then
    echo "$file: a stack's name has small letters, digits and dashes only" >&2
    exit 1
  fi
  [[ $stack == sandbox ]] || names+=("\"$stack\"")
done
(IFS=, && echo "[${names[*]}]")
