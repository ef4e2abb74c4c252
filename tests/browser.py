"""Finds the Chromium that the browser tests drive, or gets it, or says how to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_COMMANDS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_MACOS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
MISSING = (
    "The browser tests need Chromium or Chrome, and none was found: type "
    "`apt-get install -y chromium` (Debian, Ubuntu) or `.venv/bin/playwright install chromium`, "
    "or set CHROMIUM to the path of one."
)


def find_chromium() -> str | None:
    """$CHROMIUM, then the system's browsers, then playwright's own."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if shutil.which(named) else None
    installed = filter(None, map(shutil.which, _COMMANDS))
    return next(installed, None) or _on_macos() or _playwrights_own()


def _on_macos() -> str | None:
    return next((str(path) for path in _MACOS if path.exists()), None)


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _installed_as_root() -> bool:
    """A container's root needs nobody's leave to install a package; anybody else is asked to."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0 or os.environ.get("CHROMIUM"):
        return False
    print("Installing Chromium for the browser tests …", flush=True)
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["update", "-qq"],
        ["install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        subprocess.run([apt, *command], env=environ, stdout=subprocess.DEVNULL, check=False)
    return find_chromium() is not None


if __name__ == "__main__" and find_chromium() is None and not _installed_as_root():
    sys.exit(MISSING)
