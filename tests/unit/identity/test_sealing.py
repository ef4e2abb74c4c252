"""A11: a cookie is ours as it was sealed, or it is nothing."""

import re

import msgspec
import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from tollgate.identity.sealing import Sealer

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


class Note(msgspec.Struct, frozen=True):
    text: str


NOTE = Note("kept by a browser")


def test_a_sealed_value_opens_as_it_was_and_shows_nothing() -> None:
    token = Sealer([NEW], "session").seal(NOTE)
    assert Sealer([NEW], "session").open(token, Note) == NOTE
    assert "kept" not in token


@given(st.text(max_size=40))
def test_a_sealed_value_is_a_cookies_value_as_it_stands(text: str) -> None:
    token = Sealer([NEW], "session").seal(Note(text))
    assert re.fullmatch("[A-Za-z0-9_-]+", token)
    assert Sealer([NEW], "session").open(token, Note) == Note(text)


def test_every_flipped_bit_makes_it_nothing() -> None:
    sealer = Sealer([NEW], "session")
    token = sealer.seal(NOTE)
    for place, bit in ((place, bit) for place in range(len(token)) for bit in range(8)):
        flipped = token[:place] + chr(ord(token[place]) ^ (1 << bit)) + token[place + 1 :]
        assert sealer.open(flipped, Note) is None, (place, bit)


def test_every_truncation_makes_it_nothing() -> None:
    sealer = Sealer([NEW], "session")
    token = sealer.seal(NOTE)
    for length in range(len(token)):
        assert sealer.open(token[:length], Note) is None
        assert sealer.open(token[length + 1 :], Note) is None


@given(st.text())
def test_what_was_never_sealed_opens_as_nothing(token: str) -> None:
    assert Sealer([NEW], "session").open(token, Note) is None


def test_another_purposes_token_is_nothing() -> None:
    assert Sealer([NEW], "session").open(Sealer([NEW], "login").seal(NOTE), Note) is None


def test_another_shape_is_nothing() -> None:
    class Other(msgspec.Struct, frozen=True):
        number: int

    sealer = Sealer([NEW], "session")
    assert sealer.open(sealer.seal(NOTE), Other) is None


def test_rotating_the_key_logs_nobody_out_and_retiring_it_does() -> None:
    token = Sealer([OLD], "session").seal(NOTE)
    assert Sealer([NEW, OLD], "session").open(token, Note) == NOTE
    assert Sealer([NEW], "session").open(token, Note) is None


def test_the_newest_key_seals() -> None:
    token = Sealer([NEW, OLD], "session").seal(NOTE)
    assert Sealer([NEW], "session").open(token, Note) == NOTE


@pytest.mark.parametrize("keys", [[], ["c2hvcnQ="], ["not base64 at all"]])
def test_without_a_good_key_nothing_can_be_sealed(keys: list[str]) -> None:
    with pytest.raises(ValueError, match=r"key|base64|padd"):
        Sealer(keys, "session")
