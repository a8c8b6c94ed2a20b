"""Google Cloud in the local cloud: one class per resource type, grouped by API."""
