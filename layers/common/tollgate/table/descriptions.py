"""How botocore reads its descriptions of services, for a process that wants one of four hundred.

Making a client costs as much as half of importing it. Most of that is a listing of all services
and JSON read into ordered dictionaries. Neither is needed: plain ones keep their order.
"""

import gzip
from pathlib import Path
from typing import Any

import msgspec
from botocore.loaders import Loader


class OneService(Loader):  # type: ignore[misc]  # botocore publishes no types
    """Finds `service` alone, at about half of the cost; it goes into a session as `data_loader`."""

    def __init__(self, service: str) -> None:
        super().__init__(file_loader=_Files())
        self._service = service

    def list_available_services(self, type_name: str) -> list[str]:
        return [self._service]


class _Files:
    """A botocore file loader: paths come without their ending."""

    def exists(self, path: str) -> bool:
        return any(Path(path + ending).is_file() for ending in (".json", ".json.gz"))

    def load_file(self, path: str) -> Any:
        plain, packed = Path(f"{path}.json"), Path(f"{path}.json.gz")
        if plain.is_file():
            return msgspec.json.decode(plain.read_bytes())
        return (
            msgspec.json.decode(gzip.decompress(packed.read_bytes())) if packed.is_file() else None
        )
