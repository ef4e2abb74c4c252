"""Why a sign-in ends without a session. None of these has written anything."""

from typing import Literal

Reason = Literal[
    "access_denied",
    "attempt_expired",
    "attempt_missing",
    "code_missing",
    "code_refused",
    "email_missing",
    "id_token_invalid",
    "id_token_missing",
    "issuer_mismatch",
    "nonce_mismatch",
    "provider_refused",
    "state_mismatch",
    "state_reused",
]

_SENTENCES: dict[Reason, str] = {
    "access_denied": "You did not allow the sign-in.",
    "attempt_expired": "The sign-in took too long. Start again.",
    "attempt_missing": "This browser has not started a sign-in, or its cookies are blocked.",
    "email_missing": "The provider did not tell us your e-mail address.",
    "state_mismatch": "This answer belongs to another sign-in. Start again.",
    "state_reused": "This sign-in has been completed already. Start again.",
}


class LoginFailed(Exception):
    """`reason` is stable, for programs; `detail` is a sentence for a person."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = _SENTENCES.get(reason, "The provider's answer could not be trusted.")


class AccountExists(Exception):
    """Another sign-in owns the verified address; two are never linked by an address alone."""


class ProviderUnavailable(Exception):
    """The identity provider did not answer in time, or not as OpenID Connect demands."""
