"""The cluster's API as the local cloud knows it: server-side apply, Services and their load balancers, waiting."""
