#!/bin/bash
# The names in .github/stacks, as a JSON list, in their order; each must have its settings.
set -euo pipefail
names=()
while read -r stack; do
  # Names end up in matrices, environments and the heads of comments.
  if [[ ! $stack =~ ^[a-z0-9-]+$ ]]; then
    echo ".github/stacks: ${stack@Q}: a stack's name has small letters, digits and dashes only" >&2
    exit 1
  elif [[ ! -f Pulumi.$stack.yaml ]]; then
    echo ".github/stacks: $stack has no Pulumi.$stack.yaml; write its settings, or take it out of this list" >&2
    exit 1
  fi
  names+=("\"$stack\"")
done < <(sed -E 's/[[:space:]]*(#.*)?$//; /^$/d' .github/stacks)
(IFS=, && echo "[${names[*]}]")
