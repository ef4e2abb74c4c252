"""Every reason not to generate, as the contract's problem details."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from tollgate.generation.generate import NotOpened
from tollgate.generation.order import InvalidOrder, OverInputLimit, PlanRequired, UnknownBlueprint
from tollgate.quota.admission import SessionEnded
from tollgate.quota.periods import rfc3339
from tollgate.quota.refusal import Refused, seconds_until
from tollgate.quota.spend import SpendCapReached
from tollgate.table.client import Unavailable
from tollgate.web.bodies import invalid
from tollgate.web.problems import Problem, unauthenticated
from tollgate.web.rate_limits import rate_limit_headers, refused

_RETRY = {"retry-after": "5"}
_REFUSALS = (
    InvalidOrder,
    UnknownBlueprint,
    SessionEnded,
    PlanRequired,
    OverInputLimit,
    Unavailable,
)


@contextmanager
def translated(per_minute: int | None, now: datetime, base: str) -> Iterator[None]:
    """Turns what is raised inside into `Problem`s; `base` is the site's address."""
    try:
        yield
    except Refused as error:
        raise refused(error, per_minute, now, _upgrade_url(base)) from error
    except NotOpened as error:
        headers = rate_limit_headers(error.gate, per_minute, now) | _RETRY
        detail = "No model can answer at the moment. Nothing was charged."
        raise Problem(503, "provider_unavailable", detail, headers=headers) from error
    except SpendCapReached as error:
        retry = {"retry-after": str(max(1, seconds_until(error.resets_at, now)))}
        detail = "Too much was generated today for anybody to go on before midnight UTC."
        resets_at = rfc3339(error.resets_at)
        raise Problem(
            503, "spend_cap_reached", detail, headers=retry, resets_at=resets_at
        ) from error
    except _REFUSALS as error:
        raise _problem(error, base) from error


def _problem(error: Exception, base: str) -> Problem:
    match error:
        case InvalidOrder():
            return invalid(error.pointer, error.detail)
        case UnknownBlueprint():
            return Problem(404, "unknown_blueprint", "There is no blueprint of this name.")
        case PlanRequired():
            detail = "The blueprint belongs to a higher plan."
            return Problem(
                403,
                "plan_required",
                detail,
                required_plan=error.plan,
                upgrade_url=_upgrade_url(base),
            )
        case OverInputLimit():
            detail = f"The text is longer than the plan's {error.limit} tokens."
            return Problem(413, "prompt_too_large", detail, limit=error.limit)
        case Unavailable():
            detail = "Nothing can be admitted at the moment. Nothing was charged."
            return Problem(503, "admission_unavailable", detail, headers=_RETRY)
        case _:
            return unauthenticated()


def _upgrade_url(base: str) -> str:
    return f"{base}/#plans"
