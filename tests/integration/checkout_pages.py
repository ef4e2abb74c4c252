"""What both tests of the checkout ask of its pages."""

from typing import Any

from tests.integration.billing_service import Person, ScriptedService

SESSIONS = "/v1/checkout/sessions"


def page_opened(service: ScriptedService, person: Person, price: str = "pro_monthly") -> str:
    """The session's id."""
    answer = service.buy(person, price)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["checkout_session_id"])


def open_pages(service: ScriptedService) -> list[str]:
    sessions = service.stripe.sessions
    return [name for name, session in sessions.items() if session["status"] == "open"]


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
