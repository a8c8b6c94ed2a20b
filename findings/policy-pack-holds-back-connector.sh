#!/bin/bash
# A policy pack and the Cloud SQL connector in one environment: the pack limits the connector's version.
#
# pulumi-policy 1.21.0 (the newest of 2026-11-27) takes protobuf 5.29 only (>=5.29.5, <5.30.dev0).
# cloud-sql-python-connector 1.23.0 needs google-cloud-sql, which needs protobuf 6.33.5 or newer. So a resolver that may
# choose stays at connector 1.22.0 in silence, and one that is asked for 1.23.0 finds no solution: neither package's
# own page says anything about the other. pulumi 3.260.0 itself takes any protobuf below 7; without the pack 1.23.0 fits.
#
# Output seen (uv 0.13.9, Python 3.11, Linux):
#   free choice beside the pack: cloud-sql-python-connector==1.22.0 protobuf==5.29.6
#   1.23.0 beside the pack: no solution
#   1.23.0 beside the SDK alone: protobuf==6.33.6
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/uv"
"$folder/uv/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9

# What fits together, as of the day on which this was seen.
resolve() {
  printf '%s\n' "$@" | "$folder/uv/bin/uv" pip compile --quiet --no-header --no-annotate --python-version 3.11 \
    --exclude-newer 2026-11-27T00:00:00Z - 2> "$folder/refusal"
}

free=$(resolve pulumi==3.260.0 pulumi-policy==1.21.0 cloud-sql-python-connector)
echo "free choice beside the pack:" $(grep -E '^(cloud-sql-python-connector|protobuf)==' <<< "$free")
grep -qx 'cloud-sql-python-connector==1.22.0' <<< "$free"

if resolve pulumi==3.260.0 pulumi-policy==1.21.0 cloud-sql-python-connector==1.23.0 > "$folder/both"; then
  echo "1.23.0 beside the pack: it resolves now" >&2
  exit 1
fi
grep -q 'protobuf>=5.29.5,<5.30' "$folder/refusal"
echo "1.23.0 beside the pack: no solution"

alone=$(resolve pulumi==3.260.0 cloud-sql-python-connector==1.23.0)
echo "1.23.0 beside the SDK alone:" $(grep -E '^protobuf==' <<< "$alone")
