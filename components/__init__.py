"""The edge's components, one ComponentResource per file; each docstring lists what it declares."""
