"""zae-limiter's `acquire`, as its README says: requests and tokens in one lease, tokens adjusted.

Its limits are quotas that come back on the first of January, so that no refill blurs the count.
They stand in its table, where its caches read them: the faster of its two ways. It knows no
session, no entitlement and no open streams.
"""

from contextlib import ExitStack

# Not in the developer's environment, where mypy looks: it has one of its own.
from zae_limiter import (  # type: ignore[import-not-found]
    Limit,
    RateLimitExceeded,
    SyncRateLimiter,
    SyncRepository,
)

from bench.admission_peers import SPENT, TOKENS, Settle

_OUT_OF_THE_WAY = 10**12
_NEW_YEAR = "0 0 1 1 *"


class ZaeLimiter:
    def __init__(self, name: str, limit: int | None) -> None:
        self._name = name
        self._limit = limit or _OUT_OF_THE_WAY
        self._limiter: SyncRateLimiter | None = None

    def prepare(self) -> None:
        # Its own tool makes the table with CloudFormation, which the engine has not.
        SyncRepository(self._name, _skip_deprecation_warning=True).create_table()
        limits = {"requests": self._limit, "tokens": _OUT_OF_THE_WAY}
        self._opened().set_system_defaults(
            [Limit.quota(name, amount, cron=_NEW_YEAR) for name, amount in limits.items()]
        )

    def admit(self) -> Settle | None:
        limiter = self._limiter or self._opened()
        lease = ExitStack()
        consume = {"requests": 1, "tokens": TOKENS}
        try:
            acquired = lease.enter_context(limiter.acquire("acc_1", "generate", consume))
        except RateLimitExceeded:
            return None

        def settle() -> None:
            with lease:
                acquired.adjust(tokens=SPENT - TOKENS)

        return settle

    def _opened(self) -> SyncRateLimiter:
        repository = SyncRepository.builder().stack(self._name).build()
        self._limiter = SyncRateLimiter(repository=repository)
        return self._limiter


def open_peer(name: str, limit: int | None) -> ZaeLimiter:
    return ZaeLimiter(name, limit)
