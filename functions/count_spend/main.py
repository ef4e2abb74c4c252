"""The deployed entry: clients are made once, in the init phase."""

import os

from functions.count_spend.app import build
from tollgate import catalogue
from tollgate.clock import utc_now
from tollgate.settings import Settings
from tollgate.table.client import connect

_settings = Settings(os.environ)

handler = build(
    table=connect(_settings.table),
    catalogue=catalogue.load(_settings.plans),
    clock=utc_now,
)
