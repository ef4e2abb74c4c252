"""Encrypts what a browser keeps for us, each purpose under keys of its own.

The first key seals, every key opens: to rotate, put the new key in front and drop the old one when
what it sealed has ended. A token sealed for one purpose opens for no other (HKDF, RFC 5869).
"""

import base64
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

T = TypeVar("T", bound=msgspec.Struct)


class Sealer:
    """`keys` are Fernet keys (32 bytes, url-safe base64), newest first.

    Errors: ValueError for none or a short one.
    """

    def __init__(self, keys: Sequence[str], purpose: str) -> None:
        if not keys:
            raise ValueError("a sealer needs at least one key")
        self._fernet = MultiFernet([Fernet(_derived(key, purpose)) for key in keys])

    def seal(self, value: msgspec.Struct) -> str:
        """Without base64's padding, so that a cookie's value needs no quotation marks."""
        return self._fernet.encrypt(msgspec.json.encode(value)).decode("ascii").rstrip("=")

    def open(self, token: str, kind: type[T]) -> T | None:
        """None for all but a token of ours: tampered, another purpose's, a retired key's."""
        try:
            sealed = token.encode("ascii")
            padded = sealed + b"=" * (-len(sealed) % 4)
            # Base64 decoders overlook stray characters and the last one's spare bits.
            if base64.urlsafe_b64encode(base64.urlsafe_b64decode(padded)) != padded:
                return None
            return msgspec.json.decode(self._fernet.decrypt(padded), type=kind)
        except (InvalidToken, ValueError, msgspec.DecodeError):
            return None


def _derived(key: str, purpose: str) -> bytes:
    secret = base64.urlsafe_b64decode(key)
    if len(secret) != 32:
        raise ValueError("a sealing key holds 32 bytes")
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"tollgate:{purpose}".encode())
    return base64.urlsafe_b64encode(derive.derive(secret))
