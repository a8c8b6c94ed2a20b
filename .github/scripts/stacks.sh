#!/bin/bash
# The names in .github/stacks, as a JSON list, in order; each needs a settings file.
set -euo pipefail
refuse() {
  echo ".github/stacks: $*" >&2
  exit 1
}
names=()
while read -r stack || [[ -n $stack ]]; do
  # Names are used in matrices, environments and comment markers.
  [[ $stack =~ ^[a-z0-9-]+$ ]] || refuse "${stack@Q}: a stack's name has small letters, digits and dashes only"
  [[ -f Pulumi.$stack.yaml ]] || refuse "$stack has no Pulumi.$stack.yaml; write its settings, or remove it from this list"
  [[ " ${names[*]-} " != *" \"$stack\" "* ]] || refuse "$stack is listed twice"
  names+=("\"$stack\"")
done < <(sed -E 's/[[:space:]]*(#.*)?$//; /^$/d' .github/stacks)
((${#names[@]})) || refuse "no stack: nothing would be deployed or watched"
(IFS=, && echo "[${names[*]}]")
