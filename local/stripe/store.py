"""The stand-in's memory: one SQLite file, so that every request is kept whole or not at all.

A record is a JSON object under its kind and id. `due` is the moment, in Unix seconds, at which
time alone makes something happen to it: a renewal, an expiry, the next try of a delivery.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.stripe.wire import Json

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    due REAL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS due ON record (due, seq) WHERE due IS NOT NULL;
"""
_PUT = """
INSERT INTO record (kind, id, body, due) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, due = excluded.due
"""


class Store:
    """For one event loop only: between two awaits nobody else reads or writes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._file.executescript(_SCHEMA)

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    def get(self, kind: str, record_id: str) -> Json | None:
        """A copy: changing it changes nothing until it is put."""
        sql = "SELECT body FROM record WHERE kind = ? AND id = ?"
        row = self._file.execute(sql, (kind, record_id)).fetchone()
        return None if row is None else _json(row[0])

    def put(self, kind: str, record_id: str, body: Json, due: float | None = None) -> None:
        self._file.execute(_PUT, (kind, record_id, json.dumps(body), due))

    def all(self, kind: str) -> list[Json]:
        """Newest first."""
        sql = "SELECT body FROM record WHERE kind = ? ORDER BY seq DESC"
        return [_json(row[0]) for row in self._file.execute(sql, (kind,))]

    def since(self, kind: str, seq: int) -> list[tuple[int, Json]]:
        """What was first put after that number, oldest first, each with its own number."""
        sql = "SELECT seq, body FROM record WHERE kind = ? AND seq > ? ORDER BY seq"
        return [(row[0], _json(row[1])) for row in self._file.execute(sql, (kind, seq))]

    def first_due(self, *kinds: str) -> tuple[float, str, Json] | None:
        """The earliest moment at which something happens by itself, with the kind and record."""
        marks = ", ".join("?" * len(kinds))
        sql = f"SELECT due, kind, body FROM record WHERE due IS NOT NULL AND kind IN ({marks}) "  # noqa: S608 - only question marks are put in
        row = self._file.execute(sql + "ORDER BY due, seq LIMIT 1", kinds).fetchone()
        return None if row is None else (row[0], row[1], _json(row[2]))

    def clear(self) -> None:
        self._file.execute("DELETE FROM record")


def _json(text: str) -> Json:
    body: Json = json.loads(text)
    return body
