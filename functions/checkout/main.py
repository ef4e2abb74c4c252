"""The deployed entry: clients are made once, in the init phase."""

import os

from functions.checkout.app import build
from tollgate import catalogue
from tollgate.billing.apply_subscription import Billing
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.clock import utc_now
from tollgate.settings import Settings
from tollgate.table.client import connect
from tollgate.web.authentication import Authentication
from tollgate.web.entry import entry
from tollgate.web.site import Site

_settings = Settings(os.environ)
_site = Site.configured(_settings)
_table = connect(_settings.table)
_stripe = StripeGateway.configured(_settings)

handler = entry(
    build(
        billing=Billing(_table, catalogue.load(_settings.plans), _stripe, utc_now),
        authentication=Authentication.configured(_settings, _table, _site, utc_now),
        site=_site,
    )
)
