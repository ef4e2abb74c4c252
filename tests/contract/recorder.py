"""Notes every request that the SDK sends, and the call in the code from which it came."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import stripe

from tests.contract.calls import CODE, Site


@dataclass(frozen=True)
class Request:
    """`form` holds the parameters as they travelled, in the query or in the body."""

    method: str
    path: str
    form: str


@dataclass
class Recorder:
    """`requests` came from the product's code; what tests ask for themselves is left out."""

    sites: Sequence[Site]
    folders: Sequence[Path] = CODE
    sent: set[Site] = field(default_factory=set)
    requests: dict[Request, None] = field(default_factory=dict)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Inside the SDK, below its retries and above its transport: every client is seen."""
        original = stripe.RequestsClient.request
        recorder = self

        def request(
            http: Any, method: str, url: str, headers: Any, post_data: Any = None, **rest: Any
        ) -> Any:
            recorder._note(method, url, post_data)
            return original(http, method, url, headers, post_data, **rest)

        stripe.RequestsClient.request = request  # type: ignore[assignment, method-assign]  # the one door that all clients use
        try:
            yield
        finally:
            stripe.RequestsClient.request = original  # type: ignore[method-assign]  # the door as it was

    @property
    def names(self) -> list[str]:
        """Of the distinct calls in the code."""
        return sorted({site.name for site in self.sites})

    @property
    def missing(self) -> list[Site]:
        return [site for site in self.sites if site not in self.sent]

    def _note(self, method: str, url: str, post_data: str | None) -> None:
        places = [place for place in _stack() if _is_inside(place[0], tuple(self.folders))]
        if not places:
            return
        self.sent |= {
            site
            for site in self.sites
            if any(site.file == file and site.first <= line <= site.last for file, line in places)
        }
        path, _, query = url.partition("/v1/")[2].partition("?")
        self.requests[Request(method.upper(), f"/v1/{path}", post_data or query)] = None


def _stack() -> Iterator[tuple[Path, int]]:
    frame = sys._getframe(1)
    while frame := frame.f_back:  # type: ignore[assignment]
        yield _file(frame.f_code.co_filename), frame.f_lineno


@cache
def _file(name: str) -> Path:
    return Path(name).resolve()


@cache
def _is_inside(file: Path, folders: tuple[Path, ...]) -> bool:
    return any(file.is_relative_to(folder) for folder in folders)
