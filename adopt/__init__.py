"""Taking a live edge into a stack's state without touching the cloud.

`python -m adopt --stack prod` imports what exists and then tells, in words, what the first `pulumi up` would change.
It never writes to the cloud; `docs/adopt.md` tells the steps.
"""
