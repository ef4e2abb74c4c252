"""The `ratelimit` fields and refusals of admission, as the contract writes them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from tests.unit.quota.gates import LIMITS, NOW, a_gate
from tollgate.quota.gate import Gate
from tollgate.quota.refusal import Refused, refusal
from tollgate.web.rate_limits import rate_limit_headers, refused

NIGHT = datetime.fromisoformat("2026-11-21T23:00:00+00:00")
SIX_BEFORE = [NIGHT - timedelta(seconds=50 + each) for each in range(6)]
TEN_JUST_NOW = [NOW - timedelta(seconds=each) for each in range(10)]


def problem(gate: Gate) -> tuple[int, dict[str, str], dict[str, Any]]:
    found = refusal(gate, 100, 10, NOW)
    assert found is not None
    answer = refused(Refused(found, gate), 10, NOW, "/#plans").response(
        Request({"type": "http", "headers": []})
    )
    return answer.status_code, dict(answer.headers), msgspec.json.decode(answer.body)


def test_the_fields_read_as_in_the_contracts_example() -> None:
    newest = NIGHT - timedelta(seconds=48)
    gate = a_gate(used=9_000, today=3, admitted=[newest, *SIX_BEFORE])
    assert rate_limit_headers(gate, 10, NIGHT) == {
        "ratelimit-policy": '"minute";q=10;w=60, "day";q=10;w=86400, "month";q=50000;qu="tokens"',
        "ratelimit": '"minute";r=3;t=12, "day";r=7;t=3600, "month";r=41000;t=781200',
        "x-usage-remaining": "7",
    }


def test_a_policy_without_a_limit_is_left_out() -> None:
    headers = rate_limit_headers(a_gate(replace(LIMITS, day=None), used=1), None, NOW)
    assert headers == {
        "ratelimit-policy": '"month";q=50000;qu="tokens"',
        "ratelimit": '"month";r=49999;t=820800',
    }


def test_what_is_left_is_never_negative() -> None:
    gate = a_gate(replace(LIMITS, month=5, day=2), used=900, today=7, admitted=TEN_JUST_NOW)
    headers = rate_limit_headers(gate, 3, NOW)
    assert headers["ratelimit"].count("r=0;") == 3
    assert headers["x-usage-remaining"] == "0"


@pytest.mark.parametrize(
    ("gate", "code", "extensions"),
    [
        (
            a_gate(used=49_950),
            "quota_exceeded",
            {
                "scope": "month",
                "limit": 50_000,
                "remaining": 50,
                "resets_at": "2026-12-01T00:00:00Z",
                "upgrade_url": "/#plans",
            },
        ),
        (
            a_gate(today=10),
            "quota_exceeded",
            {
                "scope": "day",
                "limit": 10,
                "remaining": 0,
                "resets_at": "2026-11-22T00:00:00Z",
                "upgrade_url": "/#plans",
            },
        ),
        (a_gate(admitted=TEN_JUST_NOW), "rate_limited", {"scope": "minute", "retry_after": 51}),
        (a_gate(open_streams=2), "too_many_streams", {"scope": "concurrent", "limit": 2}),
    ],
)
def test_each_429_has_its_code_its_extensions_and_a_retry_after(
    gate: Gate, code: str, extensions: dict[str, object]
) -> None:
    status, headers, document = problem(gate)
    assert (status, document["code"]) == (429, code)
    assert extensions.items() <= document.items()
    assert int(headers["retry-after"]) >= 1
    assert {"ratelimit", "ratelimit-policy", "x-usage-remaining"} <= headers.keys()


def test_a_suspended_account_is_no_question_of_time() -> None:
    status, headers, document = problem(a_gate(suspended=True, today=10))
    assert (status, document["code"]) == (403, "account_suspended")
    assert "retry-after" not in headers
    assert "ratelimit" in headers
