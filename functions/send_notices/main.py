"""The deployed entry: clients are made once, in the init phase."""

import os

from functions.send_notices.app import build
from tollgate.clock import utc_now
from tollgate.notices import mail
from tollgate.notices.send_notice import Post
from tollgate.settings import Settings
from tollgate.table.client import connect

_settings = Settings(os.environ)

handler = build(
    Post(
        table=connect(_settings.table),
        mail=mail.connect(_settings.required("NOTICES_FROM")),
        home=f"{_settings.required('PUBLIC_URL').rstrip('/')}/",
        clock=utc_now,
    )
)
