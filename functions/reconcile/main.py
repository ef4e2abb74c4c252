"""The deployed entry: clients are made once, in the init phase."""

import os

from functions.reconcile.app import build
from tollgate import catalogue
from tollgate.billing.apply_subscription import Billing
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.clock import utc_now
from tollgate.self_invocation import invoking_again
from tollgate.settings import Settings
from tollgate.table.client import connect

_settings = Settings(os.environ)

handler = build(
    billing=Billing(
        connect(_settings.table),
        catalogue.load(_settings.plans),
        StripeGateway.configured(_settings),
        utc_now,
    ),
    continue_later=invoking_again(_settings),
)
