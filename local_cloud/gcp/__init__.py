"""Google Cloud as the local cloud knows it: one class per resource type, grouped as Google groups its APIs."""
