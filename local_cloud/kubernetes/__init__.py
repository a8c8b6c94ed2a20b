"""The cluster's API in the local cloud: server-side apply, Services and their load balancers, waiting."""
