#!/bin/bash
# suites.sh [COMMIT]: the make targets that changes since COMMIT have to pass, as `suites=JSON`; without a commit, all.
# A path that is not named here needs all of them.
set -euo pipefail
all=(quick processes sandbox-tests database test-sip test-site engine)
declare -A needed=([quick]=1 [processes]=1)
need() {
  local suite
  for suite; do needed[$suite]=1; done
}
changed=not-known
if [[ -n ${1-} ]]; then
  changed=$(git -c core.quotePath=false diff --name-only --no-renames "$1" HEAD --)
fi
while IFS= read -r file; do
  case $file in
    # Their commands are run by tests on the engine.
    docs/regions.md | docs/walk-through.md) need engine ;;
    # They select what is tested.
    .github/workflows/checks.yml | .github/scripts/suites.sh) need "${all[@]}" ;;
    # Used by other suites.
    tests/unit/published.py) need database test-site ;;
    tests/unit/format_readers.py | tests/unit/device_models.py) need database test-sip ;;
    tests/unit/firewall_probe.py | tests/unit/test_devices.py | tests/unit/test_formats.py) need database ;;
    tests/unit/test_sheets.py | tests/unit/test_site.py) need database ;;
    tests/unit/promtool.py | tests/unit/state_goldens.py) need test-sip ;;
    tests/unit/cloud.py | tests/unit/recording.py) need sandbox-tests database test-sip engine ;;
    tests/unit/everything.py) need sandbox-tests test-sip ;;
    tests/unit/state_golden/prod.json) need test-site ;;
    tests/unit/test_global_stack.py) need test-sip engine ;;
    tests/unit/review_golden/*) need engine ;;
    tests/unit/* | tests/processes/*) ;;
    tests/sandbox/zone_server.py) need sandbox-tests test-sip ;;
    tests/local_cloud/* | tests/sandbox/*) need sandbox-tests ;;
    tests/database/*) need database ;;
    tests/sip/*) need test-sip ;;
    tests/site/*) need test-site ;;
    tests/engine/*) need engine ;;
    .github/* | findings/* | renovate.json | *.md) ;;
    "") ;;
    *) need "${all[@]}" ;;
  esac
done <<< "$changed"
names=()
for suite in "${all[@]}"; do
  [[ -z ${needed[$suite]-} ]] || names+=("\"$suite\"")
done
(IFS=, && echo "suites=[${names[*]}]")
