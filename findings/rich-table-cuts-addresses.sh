#!/bin/bash
# Rich: a Table with `min_width` can be wider than its console, and then an address loses its end without an ellipsis.
#
# Columns are shrunk to fit, then each is widened again to its own min_width, and text beyond the console's edge is
# cropped. `Console.measure` reports that the table fits. Half an IPv6 address looks like a complete one, and the columns
# after it are missing. Without min_width the long cell is shortened with an ellipsis, and everything else is complete.
# So a program that must not lose text sets explicit widths, and adds them up.
#
# Output seen (rich 15.0.0, the newest of 2026-11-27; Python 3.11, Linux), a console of 40 columns:
#   without min_width: ['ingress-of-the-s…', '2001:db8::1', 'active']
#   with min_width: ['ingress-of-the-second-region', '2001:db8:']; measured as 40
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rich==15.0.0

"$folder/venv/bin/python" - << 'PYTHON'
import io

from rich.console import Console
from rich.table import Table


def shown(*least: int | None) -> tuple[list[str], int]:
    """The words of the only row, and how wide rich takes the table to be."""
    table = Table(box=None)
    for heading, width in zip(("Name", "Address", "Status"), least):
        table.add_column(heading, min_width=width)
    table.add_row("ingress-of-the-second-region", "2001:db8::1", "active")
    console = Console(file=io.StringIO(), width=40, force_terminal=False)
    console.print(table)
    return console.file.getvalue().splitlines()[1].split(), console.measure(table).maximum


without, _ = shown(None, None, None)
bounded, measured = shown(28, 11, 6)
print(f"without min_width: {without}")
print(f"with min_width: {bounded}; measured as {measured}")
assert without == ["ingress-of-the-s…", "2001:db8::1", "active"]
assert bounded == ["ingress-of-the-second-region", "2001:db8:"]
assert measured == 40
PYTHON
