"""Ends the stack's processes when the launcher is gone, even where it was killed with no chance to.

Reads one line per process group from its standard input; the end of that input is the launcher's.
"""

import os
import signal
import sys
import time

_GRACE_SECONDS = 3.0


def main() -> None:
    groups = [int(line) for line in sys.stdin]
    for number in (signal.SIGTERM, signal.SIGKILL):
        groups = [group for group in groups if _signal(group, number)]
        if not groups:
            return
        if number is signal.SIGTERM:
            time.sleep(_GRACE_SECONDS)


def _signal(group: int, number: signal.Signals) -> bool:
    """False where the group has ended already."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
