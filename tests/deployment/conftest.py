"""A real engine with the template's own table, and a person who is signed in."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest

from local.processes import LOOPBACK, Processes, accepts, free_ports
from tests.deployment import entry
from tests.deployment.template import Template
from tests.integration.billing_stripe import ScriptedStripe, running_stripe
from tollgate import catalogue
from tollgate.billing import projection
from tollgate.identity import attempt, session
from tollgate.identity.linking import Profile
from tollgate.identity.sealing import Sealer
from tollgate.identity.sign_in import sign_in
from tollgate.quota.limits import changed, write_limits
from tollgate.quota.records import ClosedPeriod
from tollgate.table import keys
from tollgate.table.client import Item, Table, update
from tollgate.tenancy import gate
from tollgate.tenancy.records import Account


@pytest.fixture(scope="session")
def template() -> Template:
    return Template.read()


@pytest.fixture(scope="session")
def deployed(template: Template, engine_url: str) -> Callable[[str], dict[str, str]]:
    """Each function's environment by its logical id; the table is the one of the template."""
    create_table(template, engine_url, entry.TABLE)
    return lambda function: entry.environ(template, function, engine_url)


@pytest.fixture
def cookie(deployed: Callable[[str], dict[str, str]], engine_url: str) -> str:
    """The session cookie of somebody new, as a browser sends it over https."""
    now = datetime.now(UTC)
    begun = attempt.begin("google", "/", now)
    subject = begun.state
    profile = Profile("google", subject, f"{subject}@example.com", True, "Ada", None)
    table = Table(client(engine_url), entry.TABLE)
    signed_in = sign_in(table, begun, profile, catalogue.load(None).lowest, now)
    sealer = Sealer([entry.SECRETS["SESSION_KEYS"]], session.PURPOSE)
    return f"__Host-tollgate_session={sealer.seal(signed_in)}"


@pytest.fixture
def late_payer(cookie: str, engine_url: str) -> Iterator[ScriptedStripe]:
    """The cookie's owner has a plan whose end has passed, and a Stripe that was paid meanwhile."""
    token = cookie.partition("=")[2]
    owner = Sealer([entry.SECRETS["SESSION_KEYS"]], session.PURPOSE).open(token, session.Session)
    assert owner is not None
    table, now = Table(client(engine_url), entry.TABLE), datetime.now(UTC)
    account, tenant = projection.read(table, owner.account, now), gate.read(table, owner.account)
    assert account is not None
    assert tenant is not None
    account.plan, account.customer_id = "pro", f"cus_{owner.user}"
    limits = changed(tenant, catalogue.load(None).plans["pro"], None, now, now)
    table.transact(
        update(keys.account(owner.account), projection.write(account)),
        update(keys.gate(owner.account), write_limits(tenant, limits)),
    )
    with running_stripe() as stripe:
        stripe.subscribe(account.customer_id)
        yield stripe


@pytest.fixture(scope="session")
def models(
    deployed: Callable[[str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the stand-in for both providers of models."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "local.models", "--port", str(port)]
    with Processes(tmp_path_factory.mktemp("models")) as processes:
        processes.start("models", command, deployed("GenerateStream"))
        processes.wait_until("models", lambda: accepts(port))
        yield f"http://{LOOPBACK}:{port}"


def create_table(template: Template, engine_url: str, name: str) -> None:
    [(_, table)] = template.made("AWS::DynamoDB::Table")
    names = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
    client(engine_url).create_table(TableName=name, **{each: table[each] for each in names})


def client(engine_url: str) -> Any:
    return botocore.session.get_session().create_client(
        "dynamodb",
        region_name="eu-central-1",
        endpoint_url=engine_url,
        aws_access_key_id="deployed",
        aws_secret_access_key="deployed",
    )


def use_beyond_the_month(table: Table, receipt: Item) -> None:
    """Puts the receipt there, and an account with a customer whose period it is the last of."""
    account_id, period = receipt["account_id"]["S"], receipt["period"]["S"]
    now = datetime.now(UTC)
    account = Account.new(
        keys.account(account_id),
        id=account_id,
        name="Ada",
        kind="personal",
        owner_id=receipt["user_id"]["S"],
        email="ada@example.com",
        created_at=now,
        plan="team",
        customer_id="cus_ada",
    )
    closed = ClosedPeriod.new(
        keys.closed_period(account_id, period),
        account_id=account_id,
        start=period,
        plan="team",
        granted=int(receipt["included"]["N"]),
        used=int(receipt["included"]["N"]) + 1,
        closed_at=int(now.timestamp() * 1000),
    )
    for item in (receipt, account.serialize(), closed.serialize()):
        table.put(item)
