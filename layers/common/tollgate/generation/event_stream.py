"""Server-sent events read from bytes as they come (WHATWG HTML 9.2.6), by their data alone.

Both providers repeat an event's name inside its JSON, so names, ids and comments are passed over.
"""


class EventStream:
    """Give it chunks cut anywhere; it gives back the data of each event that they complete.

    Lines end in LF or CRLF. What follows the last empty line is an unfinished event and is never
    given out, as the standard demands.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        events: list[bytes] = []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removesuffix(b"\r").removeprefix(b" "))
            elif line in (b"", b"\r") and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        return events
