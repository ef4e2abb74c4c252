"""Opaque ids with a type prefix, unguessable."""

import re
import secrets

_BYTES = 10


def new_id(prefix: str) -> str:
    """For example `usr_5f0c…`: 80 random bits."""
    return f"{prefix}_{secrets.token_hex(_BYTES)}"


def is_id(prefix: str, text: str) -> bool:
    """Whether `new_id` could have made it: nothing else needs to be looked up."""
    return re.fullmatch(rf"{prefix}_[0-9a-f]{{{2 * _BYTES}}}", text) is not None
