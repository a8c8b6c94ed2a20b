"""A preview's changes, for approval: visibility to vendors and customers, cost, policy violations.

Pure: `preview.py` reads the engine's output, `report.py` judges it, `markdown.py` formats it. This package does not run
the engine, access pull requests or decide about deployments.
"""

import command_line  # noqa: F401 (first: an interrupt while the rest is imported ends without a traceback)
