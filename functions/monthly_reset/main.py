"""The deployed entry: clients are made once, in the init phase."""

import os

from functions.monthly_reset.app import build
from tollgate import catalogue
from tollgate.clock import StoreClock
from tollgate.self_invocation import invoking_again
from tollgate.settings import Settings
from tollgate.table.client import connect

_settings = Settings(os.environ)
_clock = StoreClock()

handler = build(
    table=connect(_settings.table, _clock),
    catalogue=catalogue.load(_settings.plans),
    clock=_clock,
    continue_later=invoking_again(_settings),
)
