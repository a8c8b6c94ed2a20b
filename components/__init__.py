"""The edge's building blocks, one ComponentResource per file. See each class's docstring for what it stands up."""
