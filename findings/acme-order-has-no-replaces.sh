#!/bin/bash
# PyPI's acme (certbot's library) asks a CA for the renewal window (ARI), but cannot say in the order which certificate it
# replaces: `new_order` takes no certificate, and the order's JSON has no field `replaces`.
#
# RFC 9773, section 5: a client should name the certificate, and a CA may give such orders a higher priority or exempt
# them from rate limits. A renewer on this library that follows the window is counted like a first issue, also where a
# CA calls all certificates back at once.
#
# Output seen (acme 5.9.0, Python 3.11, Linux):
#   acme 5.9.0: renewal_time(self, cert_pem), new_order(self, csr_pem, profile)
#   fields of an order: authorizations certificate error expires finalize identifiers profile status
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check acme==5.9.0
seen=$("$folder/venv/bin/python" -P - <<'PYTHON'
import inspect
from importlib.metadata import version

from acme import client, messages

calls = (client.ClientV2.renewal_time, client.ClientV2.new_order)
shown = (f"{each.__name__}({', '.join(inspect.signature(each).parameters)})" for each in calls)
print(f"acme {version('acme')}: {', '.join(shown)}")
print("fields of an order:", *sorted(messages.NewOrder._fields))
PYTHON
)
[[ $seen == "acme 5.9.0: renewal_time(self, cert_pem), new_order(self, csr_pem, profile)
fields of an order: authorizations certificate error expires finalize identifiers profile status" ]]
echo "$seen"
