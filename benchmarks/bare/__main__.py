"""Nothing: what an empty program costs on this engine."""

import pulumi  # noqa: F401
