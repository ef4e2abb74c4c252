"""The deployed entry."""

import os

from functions.studio.app import build
from tollgate.settings import Settings
from tollgate.web.entry import entry
from tollgate.web.site import Site

handler = entry(build(site=Site.configured(Settings(os.environ))))
