"""Alerts of the edge as plain values: definitions, the metrics they read, rule files, the dashboard.

Data flows one way: `definitions.py` (what fires, and when) is filled with thresholds (settings) and names of the stack
(components) and becomes alert policies, a Prometheus rule file, promtool's unit tests and the cost of it all. Pure: no
module imports `pulumi`, reads a file or the clock. What to do when one fires: docs/alerts.md.
"""
