"""Which identity providers people may choose from, as configured."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollgate.settings import Settings


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID provider that describes itself at its issuer's well-known address.

    `id` stands in our addresses and in the keys of identities: it never changes and holds no `#`.
    """

    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = "openid email profile"


def configured(settings: "Settings") -> tuple[Provider, ...]:
    """Only those whose id and secret are both set: with half of them nobody could sign in."""
    client_id = settings.optional("GOOGLE_CLIENT_ID")
    secret = settings.secret("GOOGLE_CLIENT_SECRET")
    if client_id is None or secret is None:
        return ()
    return (Provider("google", "Google", "https://accounts.google.com", client_id, secret),)
