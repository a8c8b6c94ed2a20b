"""`python -m sandbox`."""

import sys

from command_line import run
from sandbox.cli import main

sys.exit(run(main))
