"""The last step of a sign-in: an identity becomes a user with a session, in one transaction.

The login attempt is consumed in that same transaction: an attempt makes one session at most, and a
refused one leaves no trace.
"""

import secrets
from datetime import datetime, timedelta

from tollgate.catalogue import Plan
from tollgate.identity.attempt import Attempt
from tollgate.identity.linking import Profile
from tollgate.identity.records import EmailClaim, Identity, Login
from tollgate.identity.refusals import AccountExists, LoginFailed
from tollgate.identity.session import LIFETIME, Session
from tollgate.table import keys
from tollgate.table.client import Action, Cancelled, Table, Unavailable, put, update
from tollgate.tenancy import gate
from tollgate.tenancy.open_account import Person, open_account

_TRIES = 8
_CLOCK_SKEW = timedelta(hours=1)


def sign_in(table: Table, attempt: Attempt, profile: Profile, free: Plan, now: datetime) -> Session:
    """A session with a new id, for the user that this subject has been since its first sign-in.

    What the provider says later about name or picture is left alone. Errors: LoginFailed
    `state_reused`; AccountExists; Unavailable.
    """
    for _ in range(_TRIES):
        item = table.get(keys.identity(profile.provider, profile.subject))
        identity = Identity.read(item, now)
        session = (
            _first_time(table, attempt, profile, free, now)
            if identity is None
            else _again(table, attempt, identity, now)
        )
        if session is not None:
            return session
    raise Unavailable("other sign-ins of this user did not cease")


def _first_time(
    table: Table, attempt: Attempt, profile: Profile, free: Plan, now: datetime
) -> Session | None:
    """None where the same subject was faster in another tab: then there is a user to sign in."""
    session_id, ends = _new_session(now)
    opened = open_account(
        Person(profile.email, profile.email_verified, profile.name, profile.picture_url),
        gate.Limits.of(free, gate.CALENDAR),
        {session_id: ends},
        now,
    )
    identity = Identity.new(
        keys.identity(profile.provider, profile.subject),
        user_id=opened.user_id,
        account_id=opened.account_id,
        created_at=now,
    )
    actions = [_consume(attempt), put(identity.serialize(), if_absent=True)]
    if profile.claim is not None:
        claim = EmailClaim.new(keys.email(profile.claim), user_id=opened.user_id)
        actions.append(put(claim.serialize(), if_absent=True))
    try:
        table.transact(*actions, *opened.actions)
    except Cancelled as cancelled:
        _refuse_reuse(cancelled)
        if 1 in cancelled.failed:
            return None
        raise AccountExists from cancelled
    return _session(session_id, opened.user_id, opened.tenant, ends)


def _again(table: Table, attempt: Attempt, identity: Identity, now: datetime) -> Session | None:
    """None where the gate's sessions changed since they were read."""
    tenant = gate.read(table, identity.account_id)
    if tenant is None:
        raise LookupError("an identity's account has no gate")
    session_id, ends = _new_session(now)
    entry = gate.add_session(tenant, session_id, ends, now)
    try:
        table.transact(_consume(attempt), update(keys.gate(identity.account_id), entry))
    except Cancelled as cancelled:
        _refuse_reuse(cancelled)
        return None
    return _session(session_id, identity.user_id, tenant, ends)


def _consume(attempt: Attempt) -> Action:
    """Has to be a transaction's first action: `_refuse_reuse` finds it by its place."""
    expires_at = attempt.ends + int(_CLOCK_SKEW.total_seconds())
    login = Login.new(keys.login(attempt.state_hash), expires_at=expires_at)
    return put(login.serialize(), if_absent=True)


def _refuse_reuse(cancelled: Cancelled) -> None:
    if 0 in cancelled.failed:
        raise LoginFailed("state_reused") from cancelled


def _new_session(now: datetime) -> tuple[str, int]:
    """128 random bits, short because the gate holds ten; and the end in epoch milliseconds."""
    return secrets.token_urlsafe(16), gate.milliseconds(now + LIFETIME)


def _session(session_id: str, user_id: str, tenant: gate.Tenant, ends: int) -> Session:
    return Session(
        id=session_id,
        user=user_id,
        account=tenant.account_id,
        ends=ends,
        plan=tenant.limits.plan,
        anchor=tenant.limits.anchor,
        version=tenant.version,
    )
