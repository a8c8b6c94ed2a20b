"""Keeps the trunk ACL in every proxy's memory the same as in the database.

Listens for the database's notifications, or reads its log of changes where it is a standby, and calls each proxy by
RPC: single hosts at once, the rest by a reload. An announcement says where to look, never what is there. It reloads
everything when it connects, when a proxy is new or was restarted, after any failure, and every few minutes, because not
every change is notified. After a reload it counts.

Leaves to others: calls. Proxies decide from their own memory, and go on with their old table while the reloader, the
database or the network is down.
"""
