"""Every text that goes out, and how one becomes an e-mail: this is where to change a word.

What stands in a text for `$name` is a word of the notice's. It is put in once and never read as a
template itself, loses what is no printable character, and is escaped where it becomes HTML.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

PAYMENT_FAILED, ACCESS_ENDED, RECOVERED = "payment_failed", "access_ended", "recovered"
TRIAL_ENDING, TRIAL_REFUSED, DISPUTE_OPENED = "trial_ending", "trial_refused", "dispute_opened"


class Unworded(Exception):
    """There is no such text, or it wants a word that the notice does not have."""


@dataclass(frozen=True, slots=True)
class Message:
    """One e-mail; both bodies say the same."""

    to: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    paragraphs: tuple[str, ...]


TEXTS: Mapping[str, Text] = {
    PAYMENT_FAILED: Text(
        "Your payment for $plan did not go through",
        (
            "The payment for your $plan plan did not go through. Most often a card has expired, "
            "or the bank has declined it or waits for you to confirm it.",
            "You keep $plan until $grace_until. If the payment has not arrived by then, your "
            "account goes on with the free plan.",
            "The card may be tried again before that, but do not count on it: open your account, "
            "choose Billing and invoices, and pay the open invoice there, with another card if "
            "need be.",
        ),
    ),
    ACCESS_ENDED: Text(
        "Your $plan plan has ended",
        (
            "Your $plan plan has ended, and your account goes on with the free plan. Your "
            "drafts are all still there.",
            "To have a plan again, open your account and choose Plans. A payment that is still "
            "open stands under Billing and invoices.",
        ),
    ),
    RECOVERED: Text(
        "Your payment for $plan has arrived",
        (
            "Thank you: the payment for your $plan plan has arrived. The plan is back in "
            "order, and there is nothing left for you to do.",
        ),
    ),
    TRIAL_ENDING: Text(
        "Your trial of $plan ends on $ends_at",
        (
            "Your trial of $plan ends on $ends_at. If you do nothing, the plan goes on from then, "
            "for $amount.",
            "If you would rather not, cancel before that day: open your account and choose Billing "
            "and invoices. You keep the trial until its end, and nothing is charged.",
        ),
    ),
    TRIAL_REFUSED: Text(
        "Your $plan plan starts without a trial",
        (
            "There is one trial for each person, and this account, its e-mail address or its card "
            "has had one already. So your $plan plan has started at once, for $amount.",
            "If you would rather not have it, you can cancel it: open your account and choose "
            "Billing and invoices.",
        ),
    ),
    DISPUTE_OPENED: Text(
        "A payment for your account is disputed",
        (
            "The holder of a card has disputed a payment for your account with the bank. Until "
            "the bank has decided, nothing can be generated with this account.",
            "If this was a mistake, ask the bank to withdraw the dispute: your account is "
            "released as soon as the bank says so.",
        ),
    ),
}

_HTML = Template(
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>$subject</title>'
    '<body style="font:16px/1.5 sans-serif;max-width:34em;margin:2em auto;padding:0 1em">'
    '$paragraphs<p><a href="$home">Open your account</a></p></body></html>'
)


def compose(kind: str, to: str, words: Mapping[str, str], home: str) -> Message:
    """`words` hold the account's `name` besides; `home` is the Studio's address.

    Errors: `Unworded`.
    """
    try:
        subject, *paragraphs = _said(TEXTS[kind], words)
    except KeyError as missing:
        raise Unworded(str(missing)) from None
    return Message(
        to,
        subject,
        "\n\n".join((*paragraphs, f"Open your account: {home}\n")),
        _HTML.substitute(
            subject=html.escape(subject),
            paragraphs="".join(f"<p>{html.escape(each)}</p>" for each in paragraphs),
            home=html.escape(home),
        ),
    )


def _said(text: Text, words: Mapping[str, str]) -> tuple[str, ...]:
    plain = {name: _printable(word) for name, word in words.items()}
    subject, *paragraphs = (
        Template(each).substitute(plain) for each in (text.subject, *text.paragraphs)
    )
    return subject, f"Hello {plain['name'] or 'there'},", *paragraphs


def _printable(word: str) -> str:
    """On one line, so that no word can begin another header or a paragraph of its own."""
    return " ".join("".join(each if each.isprintable() else " " for each in word).split())
