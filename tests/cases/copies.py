"""Copies of the repository in which the code may be broken while tests run in them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cases.play import Verdict
from tests.cases.table import ROOT, SOURCES, MarkedTest, Mutant

_SHARED = (".venv", ".local")
"""What is installed: far larger than all that is copied."""
_PATIENCE_SECONDS = 240


class Copy:
    def __init__(self, folder: Path) -> None:
        self._root = folder / "tollgate"
        ignored = shutil.ignore_patterns(".*")
        shutil.copytree(ROOT, self._root, ignore=ignored)
        for name in _SHARED:
            (self._root / name).symlink_to(ROOT / name)
        self._verdict = folder / "verdict.json"

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """Errors: those of `Mutant.applied`."""
        place = self._root / mutant.path
        original = place.read_text(encoding="utf-8")
        times = place.stat()
        place.write_text(mutant.applied(original), encoding="utf-8")
        try:
            yield
        finally:
            place.write_text(original, encoding="utf-8")
            # As before, so that what Python has compiled of it is good again.
            os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))

    def play(self, tests: Sequence[MarkedTest]) -> Verdict:
        """Errors: `subprocess.TimeoutExpired`."""
        self._verdict.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.cases.play", str(self._verdict)]
        done = subprocess.run(
            [*command, *map(str, tests)],
            cwd=self._root,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(str(self._root / each) for each in SOURCES),
                # A mutant that is compiled would outlive its source.
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
        )
        if not self._verdict.exists():
            return Verdict(failed=str(tests[0]), why=done.stderr.strip()[-500:])
        return Verdict(**json.loads(self._verdict.read_text(encoding="utf-8")))


@contextmanager
def copied() -> Iterator[Copy]:
    with TemporaryDirectory(prefix="tollgate-cases-") as folder:
        yield Copy(Path(folder))
