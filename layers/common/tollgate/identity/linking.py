"""Who a provider says somebody is, and what of that makes two sign-ins the same person.

The key is (provider, subject) for ever. An address is only claimed, once it is verified, so that a
second provider cannot open a second account for it unnoticed; it never links by itself.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Profile:
    provider: str
    subject: str
    email: str
    email_verified: bool
    name: str
    picture_url: str | None

    @classmethod
    def of(cls, provider: str, claims: Mapping[str, Any]) -> Self | None:
        """From the claims of a validated ID token; None where it names no address."""
        email = _text(claims, "email")
        if "@" not in email:
            return None
        picture = _text(claims, "picture")
        verified = claims.get("email_verified")
        return cls(
            provider=provider,
            subject=claims["sub"],
            email=email,
            # Some providers write this boolean as a string.
            email_verified=verified is True or verified == "true",
            name=(_text(claims, "name") or email.partition("@")[0])[:_NAME_LENGTH],
            picture_url=picture if picture.startswith("https://") else None,
        )

    @property
    def claim(self) -> str | None:
        """The address to claim: normalised, and only a verified one."""
        return normalised(self.email) if self.email_verified else None


def normalised(address: str) -> str:
    """One spelling for each mailbox; letter case distinguishes none in practice (RFC 5321, 2.4)."""
    return unicodedata.normalize("NFC", address.strip()).lower()


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip() if isinstance(value, str) else ""
