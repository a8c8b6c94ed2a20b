"""The Pulumi engine: running it, reading its record, and judging the steps of a preview."""
