"""The promise to customers and vendors as data: addresses, capacity, and every published format.

Pure Python: no module imports `pulumi` or reads the clock, and only the command (`__main__.py`, `folder.py`) reads and
writes files. The program builds an `Inventory` from the components' outputs; everything published is rendered from it.
"""

import command_line  # noqa: F401 (first: an interrupt while the rest is imported ends without a traceback)
from inventory.address import Address, Direction, Kind, Status
from inventory.outputs import Inventory

__all__ = ["Address", "Direction", "Inventory", "Kind", "Status"]
