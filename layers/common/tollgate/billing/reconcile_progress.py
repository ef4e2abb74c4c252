"""How far a reconciliation has come, for whoever goes on after a deadline or a kill.

Nothing depends on it but the time that is saved: each account is compared afresh, so that runs at
once, and notes that overtake each other, only look again at what is right by then.
"""

from dataclasses import dataclass
from datetime import datetime

from pynamodb.attributes import UnicodeAttribute, UTCDateTimeAttribute

from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.table.record import Record


@dataclass(frozen=True, slots=True)
class Progress:
    """`place` is where in its phase the reconciliation that `began` then goes on; None at first."""

    began: datetime
    phase: str
    place: str | None = None


class _Note(Record):
    began = UTCDateTimeAttribute()
    phase = UnicodeAttribute()
    place = UnicodeAttribute(null=True)


def read(table: Table, now: datetime) -> Progress | None:
    note = _Note.read(table.get(keys.reconcile_progress()), now)
    return None if note is None else Progress(note.began, note.phase, note.place)


def write(table: Table, progress: Progress) -> None:
    key, place = keys.reconcile_progress(), progress.place
    note = _Note.new(key, began=progress.began, phase=progress.phase, place=place)
    table.put(note.serialize())


def forget(table: Table) -> None:
    table.delete(keys.reconcile_progress())
