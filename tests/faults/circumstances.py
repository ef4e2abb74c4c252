"""What happens around a history's processes: sessions, suspension, releases, and time."""

from datetime import timedelta

from tests.faults.history import LATEST, USER, History
from tollgate.quota.periods import Anchor, period
from tollgate.table import keys
from tollgate.table.client import Table, Update
from tollgate.tenancy import gate
from tollgate.tenancy.gate import milliseconds

_WAITS = (
    timedelta(seconds=20),
    timedelta(seconds=61),
    timedelta(minutes=6),
    timedelta(minutes=11),
    timedelta(hours=13),
    timedelta(days=9, hours=12),
)


def deploy(history: History, _: Table) -> str:
    """Processes of another release take over, with other limits."""
    first, second = history.catalogues
    history.catalogue = second if history.catalogue is first else first
    return history.catalogue.version


def sign_out(history: History, _: Table) -> str:
    history.direct.update(keys.gate(history.account), gate.end_session(history.session))
    return history.session


def ban(history: History, _: Table) -> str:
    history.direct.update(keys.gate(history.account), gate.end_all_sessions())
    return USER


def sign_in(history: History, _: Table) -> str:
    """For an hour or for a year."""
    tenant, now = history.gate(history.direct).tenant, history.clock()
    lifetime = timedelta(hours=1) if history.random.random() < 0.2 else timedelta(days=365)
    history.session = f"ses_{len(history.lines) + 2}"
    end = milliseconds(now + lifetime)
    history.direct.update(
        keys.gate(history.account), gate.add_session(tenant, history.session, end, now)
    )
    return history.session


def suspend(history: History, _: Table) -> str:
    """Half of the time it is lifted again."""
    names = {"#suspended": "suspended"}
    lift = Update("REMOVE #suspended", names)
    put = Update("SET #suspended = :yes", names, {":yes": {"BOOL": True}})
    lifted = history.gate(history.direct).tenant.suspended
    history.direct.update(keys.gate(history.account), lift if lifted else put)
    return "lifted" if lifted else "suspended"


def wait(history: History, table: Table) -> str:
    return wait_for(history, table, history.random.choice(_WAITS))


def wait_for(history: History, _: Table, time: timedelta) -> str:
    """What was under way arrives before long."""
    if time > LATEST:
        history.wire.land()
    history.clock.now += time
    return str(time)


def wait_for_the_end_of_the_month(history: History, _: Table) -> str:
    history.wire.land()
    history.clock.now = period(Anchor(), history.clock()).end - timedelta(seconds=1)
    return "one second before it"
