"""The deployed entry: clients are made once, in the init phase."""

import os

from functions.report_usage import queue
from functions.report_usage.app import build
from tollgate.billing.meter_gateway import MeterGateway
from tollgate.billing.report_usage import Reporting
from tollgate.clock import utc_now
from tollgate.settings import Settings
from tollgate.table.client import connect

_settings = Settings(os.environ)

handler = build(
    Reporting(connect(_settings.table), MeterGateway.configured(_settings), utc_now),
    queue.connect(_settings.required("USAGE_FAILURES_URL")),
)
