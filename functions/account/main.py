"""The deployed entry: clients are made once, in the init phase."""

import os

from functions.account.app import build
from tollgate import catalogue
from tollgate.billing.refresh_entitlement import refreshing
from tollgate.clock import StoreClock
from tollgate.settings import Settings
from tollgate.table.client import connect
from tollgate.web.authentication import Authentication
from tollgate.web.entry import entry
from tollgate.web.site import Site

_settings = Settings(os.environ)
_clock = StoreClock()
_site = Site.configured(_settings)
_table = connect(_settings.table, _clock)
_catalogue = catalogue.load(_settings.plans)

handler = entry(
    build(
        table=_table,
        catalogue=_catalogue,
        authentication=Authentication.configured(_settings, _table, _site, _clock),
        refresh=refreshing(_settings, _table, _catalogue, _clock),
        site=_site,
        clock=_clock,
    )
)
