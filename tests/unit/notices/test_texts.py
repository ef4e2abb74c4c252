"""H9: whatever a person's name is, an e-mail says what we have written and nothing else."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tollgate.notices.texts import ACCESS_ENDED, TEXTS, Unworded, compose
from tollgate.notices.words import day, money

HOME = "https://example.com/?a=1&b=2"
WORDS = {
    "name": "Ada",
    "plan": "Pro",
    "grace_until": "28 November 2026",
    "ends_at": "28 November 2026",
    "amount": "$19.00 a month",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_every_text_finds_its_words_in_both_bodies(kind: str) -> None:
    message = compose(kind, "ada@example.com", WORDS, HOME)
    for said in (message.subject, message.text, message.html):
        assert "$plan" not in said
        assert "${" not in said
    assert message.text.startswith("Hello Ada,\n\n")
    assert message.text.endswith(f"Open your account: {HOME}\n")
    assert "<p>Hello Ada,</p>" in message.html
    assert 'href="https://example.com/?a=1&amp;b=2"' in message.html


@pytest.mark.parametrize(
    "name", ["{x.__class__}", "%(plan)s", "$plan", "${plan}", "<script>alert(1)</script>", "a & b"]
)
def test_a_name_is_never_read_as_a_template_or_as_html(name: str) -> None:
    message = compose(ACCESS_ENDED, "ada@example.com", WORDS | {"name": name}, HOME)
    assert message.text.startswith(f"Hello {name},\n")
    assert "<script" not in message.html
    assert "a & b" not in message.html


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\x00", "\u2028", "\u202e", "\t"])
def test_no_word_leaves_its_line(break_: str) -> None:
    words = {"name": f"Ada{break_}Bcc: eve@example.com", "plan": f"Pro{break_}To: x"}
    message = compose(ACCESS_ENDED, "ada@example.com", words, HOME)
    assert message.subject == "Your Pro To: x plan has ended"
    assert message.text.startswith("Hello Ada Bcc: eve@example.com,\n\n")
    assert break_ not in message.html


def test_a_person_without_a_name_is_greeted_too() -> None:
    message = compose(ACCESS_ENDED, "ada@example.com", WORDS | {"name": " \n"}, HOME)
    assert message.text.startswith("Hello there,")


@pytest.mark.parametrize(("kind", "words"), [(ACCESS_ENDED, {"name": "Ada"}), ("news", WORDS)])
def test_what_has_no_words_is_no_email(kind: str, words: dict[str, str]) -> None:
    with pytest.raises(Unworded):
        compose(kind, "ada@example.com", words, HOME)


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        (1_900, "usd", "$19.00"),
        (4_704_005, "eur", "€47,040.05"),
        (1_900, "chf", "19.00 CHF"),
        (1_900, "jpy", "1,900 JPY"),
        (5, "gbp", "£0.05"),
    ],
)
def test_an_amount_is_said_in_its_currency(amount: int, currency: str, said: str) -> None:
    assert money(amount, currency) == said


def test_a_day_is_that_of_utc() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-1)))
    assert day(late) == "1 December 2026"
    assert day(datetime(2026, 12, 1, tzinfo=UTC)) == "1 December 2026"
