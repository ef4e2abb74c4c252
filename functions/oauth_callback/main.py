"""The deployed entry: clients are made once, in the init phase."""

import os

from functions.oauth_callback.app import build
from tollgate import catalogue
from tollgate.clock import utc_now
from tollgate.identity.openid import OpenID
from tollgate.identity.providers import configured
from tollgate.settings import Settings
from tollgate.table.client import connect
from tollgate.web.entry import entry
from tollgate.web.site import Site

_settings = Settings(os.environ)

handler = entry(
    build(
        table=connect(_settings.table),
        providers={each.id: OpenID(each, utc_now) for each in configured(_settings)},
        catalogue=catalogue.load(_settings.plans),
        site=Site.configured(_settings),
        session_keys=_settings.secrets("SESSION_KEYS"),
        clock=utc_now,
    )
)
