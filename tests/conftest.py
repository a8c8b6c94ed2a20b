"""What all tests need.

Hypothesis is imported first. Its pytest plugin would import it when the last test has ended, and pytest parses its
modules then; with threads of servers still ending beside it, CPython 3.11's parser can fail ("AST constructor recursion
depth mismatch"), and a green run with it.
"""

from __future__ import annotations

import hypothesis  # noqa: F401
