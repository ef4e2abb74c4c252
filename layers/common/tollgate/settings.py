"""The only reader of the environment and of secrets.

A secret `X` is given as the environment variable `X` on a laptop, and in the cloud as
`X_PARAMETER`, the name of an SSM SecureString, so that no environment dump ever shows a value.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

_PARAMETER = "_PARAMETER"

Fetch = Callable[[Sequence[str]], Mapping[str, str]]


class SettingsError(Exception):
    """A setting that the function cannot work without is missing; the message names it."""


class Settings:
    """One view of the environment; every secret that it names is fetched in one call, when first
    asked for.
    """

    def __init__(self, environ: Mapping[str, str], fetch: Fetch | None = None) -> None:
        self._environ = environ
        self._fetch = fetch or fetch_parameters

    def required(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise SettingsError(f"{name} is not set")
        return value

    def optional(self, name: str) -> str | None:
        return self._environ.get(name) or None

    def secret(self, name: str) -> str | None:
        """None where neither `name` nor `name`_PARAMETER says anything, so that callers fail
        closed.
        """
        return self.optional(name) or self._parameters.get(name)

    def secrets(self, name: str) -> tuple[str, ...]:
        """The comma-separated values of one secret, newest first; empty where there is none."""
        return _split(self.secret(name))

    @property
    def table(self) -> str:
        return self.required("TOLLGATE_TABLE")

    @property
    def public_url(self) -> str | None:
        """Where browsers find the service, without a slash at its end; None: taken from each
        request.
        """
        value = self.optional("PUBLIC_URL")
        return value.rstrip("/") if value else None

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        return _split(self.optional("ALLOWED_ORIGINS"))

    @property
    def plans(self) -> Path | None:
        value = self.optional("TOLLGATE_PLANS")
        return Path(value) if value else None

    @property
    def livemode(self) -> bool:
        return self.optional("TOLLGATE_LIVEMODE") == "true"

    @cached_property
    def _parameters(self) -> dict[str, str]:
        wanted = {
            key.removesuffix(_PARAMETER): value
            for key, value in self._environ.items()
            if key.endswith(_PARAMETER) and value
        }
        found = self._fetch(list(wanted.values())) if wanted else {}
        return {name: found[path] for name, path in wanted.items() if path in found}


def fetch_parameters(names: Sequence[str]) -> Mapping[str, str]:
    """Decrypted SSM parameters by name; what does not exist or may not be read is left out."""
    import botocore.session
    from botocore.config import Config

    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    client = botocore.session.get_session().create_client("ssm", config=config)
    answer = client.get_parameters(Names=list(names), WithDecryption=True)
    return {each["Name"]: each["Value"] for each in answer["Parameters"]}


def _split(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())
