"""Opaque ids with a type prefix, unguessable."""

import secrets


def new_id(prefix: str) -> str:
    """For example `usr_5f0c…`: 80 random bits."""
    return f"{prefix}_{secrets.token_hex(10)}"
