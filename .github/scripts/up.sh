#!/bin/bash
# up.sh STACK: carry out what was reviewed, under the policies.
set -euo pipefail
stack=$1
# shellcheck source=.github/scripts/policies.sh
source "$(dirname "$0")/policies.sh"
exec pulumi up --yes --skip-preview --non-interactive --suppress-outputs --stack "$stack" "${policies[@]}"
