"""The promise to the outside, as data: addresses, what they carry and cost, and how people read them.

Pure Python: nothing in here imports `pulumi` or looks at the clock, and only the command (`__main__.py`, `folder.py`)
reads and writes files. The program builds an `Inventory` from what the components resolved; everything published is a
rendering of it.
"""

from inventory.address import Address, Direction, Kind, Status
from inventory.outputs import Inventory

__all__ = ["Address", "Direction", "Inventory", "Kind", "Status"]
