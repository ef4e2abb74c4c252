"""The deployed entry, served by uvicorn under the Lambda Web Adapter."""

import os

from functions.generate_stream.app import build
from tollgate import catalogue
from tollgate.billing.refresh_entitlement import refreshing
from tollgate.clock import StoreClock
from tollgate.generation.providers import Providers
from tollgate.settings import Settings
from tollgate.table.client import connect
from tollgate.web.authentication import Authentication
from tollgate.web.site import Site

_settings = Settings(os.environ)
_clock = StoreClock()
_site = Site.configured(_settings, behind_adapter=True)
_table = connect(_settings.table, _clock)
_catalogue = catalogue.load(_settings.plans)

app = build(
    table=_table,
    catalogue=_catalogue,
    authentication=Authentication.configured(_settings, _table, _site, _clock),
    providers=Providers.configured(_settings),
    refresh=refreshing(_settings, _table, _catalogue, _clock),
    site=_site,
    clock=_clock,
)
