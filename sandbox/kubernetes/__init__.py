"""The cluster's API as the sandbox knows it: server-side apply, Services and their load balancers, waiting."""
