"""Google Cloud as the sandbox knows it: one class per resource type, grouped as Google groups its APIs."""
