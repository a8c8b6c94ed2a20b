"""Keeps the trunk ACL in every proxy's memory the same as in the database.

Listens for the database's notifications, and tells each proxy by RPC: single hosts at once, the rest by a reload. What
it knows for sure it looks up: a notification says where to look, never what is there. It reloads everything when it
connects, when a proxy is new or was restarted, after any failure, and every few minutes, because not every change is
notified. After a reload it counts.

Leaves to others: calls. Proxies decide from their own memory, and go on with their old table while the reloader, the
database or the network is down.
"""
