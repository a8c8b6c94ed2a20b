"""What Kamailio and the reloader sign in as: the reader itself, or the second reader, its member.

The two take turns: a change of credentials is one of name and password, and those of before stay valid beside it
(docs/trunk-acl.md, "Changing credentials"). Imports nothing: previews need no database library.
"""

READER = "warp_acl_reader"
SECOND_READER = "warp_acl_reader_b"


def login(rotation: int) -> str:
    """Whose turn it is."""
    return SECOND_READER if rotation % 2 else READER
