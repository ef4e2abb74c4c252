"""Every sample event goes through its deployed entry, which the laptop's server bypasses."""

import json
import time
from collections.abc import Callable

import pytest
import stripe

from tests.deployment.conftest import client, use_beyond_the_month
from tests.deployment.entry import (
    EVENTS,
    SECRETS,
    TABLE,
    Event,
    header,
    invoke,
    sample,
    with_header,
)
from tests.integration.billing_stripe import ScriptedStripe
from tests.integration.mailbox import running_mailbox
from tollgate.table.client import Table

Deployed = Callable[[str], dict[str, str]]

ADDRESS = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/preview"

BUFFERED = {
    "oauth_callback_providers": ("OauthCallback", "oauth_callback"),
    "oauth_callback_login": ("OauthCallback", "oauth_callback"),
    "oauth_callback_callback": ("OauthCallback", "oauth_callback"),
    "oauth_callback_logout": ("OauthCallback", "oauth_callback"),
    "account_me": ("Account", "account"),
    "account_healthz": ("Account", "account"),
    "account_not_found": ("Account", "account"),
    "checkout_start": ("Checkout", "checkout"),
    "checkout_portal": ("Checkout", "checkout"),
    "webhook_subscription_updated": ("Webhook", "webhook"),
    "studio_page": ("Studio", "studio"),
}
ELSEWHERE = {
    "generate_stream_generate",
    "monthly_reset_hourly",
    "reconcile_daily",
    "count_spend_receipts",
    "send_notices_notices",
    "report_usage_receipts",
}


def answer_to(name: str, deployed: Deployed, event: Event | None = None, **extra: str) -> Event:
    function, folder = BUFFERED[name]
    event = event or sample(name)
    answer = invoke(folder, event, deployed(function) | extra)
    assert answer["isBase64Encoded"] is False
    return answer


def problem_of(answer: Event, event: Event) -> Event:
    """The problem document, whole and under the gateway's own request id."""
    assert header(answer, "content-type") == "application/problem+json"
    problem: Event = json.loads(answer["body"])
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem)
    assert problem["status"] == answer["statusCode"]
    assert problem["request_id"] == event["requestContext"]["requestId"]
    assert header(answer, "x-request-id") == problem["request_id"]
    return problem


def test_every_sample_is_used() -> None:
    assert {each.stem for each in EVENTS.glob("*.json")} == set(BUFFERED) | ELSEWHERE


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("oauth_callback_login", 503, "service_unavailable"),
        ("oauth_callback_logout", 401, "unauthenticated"),
        ("account_me", 401, "unauthenticated"),
        ("account_not_found", 404, "not_found"),
        ("checkout_start", 401, "unauthenticated"),
        ("checkout_portal", 401, "unauthenticated"),
        ("webhook_subscription_updated", 400, "invalid_signature"),
    ],
)
def test_a_refusal_is_a_problem_with_the_gateways_request_id(
    deployed: Deployed, name: str, status: int, code: str
) -> None:
    event = sample(name)
    answer = answer_to(name, deployed, event)
    problem = problem_of(answer, event)
    assert (answer["statusCode"], problem["code"]) == (status, code)


def test_addresses_given_out_have_the_gateways_domain_and_stage(deployed: Deployed) -> None:
    answer = answer_to("oauth_callback_providers", deployed)
    assert answer["statusCode"] == 200
    [provider] = json.loads(answer["body"])["providers"]
    assert provider["login_url"] == f"{ADDRESS}/auth/google/login"


def test_a_browser_without_its_login_cookie_gets_a_page_and_no_session(deployed: Deployed) -> None:
    answer = answer_to("oauth_callback_callback", deployed)
    assert answer["statusCode"] == 400
    assert (header(answer, "content-type") or "").startswith("text/html")
    assert "tollgate_session" not in (header(answer, "set-cookie") or "")


def test_the_table_that_the_template_declares_is_healthy(deployed: Deployed) -> None:
    answer = answer_to("account_healthz", deployed)
    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, "ok")


def test_a_session_is_known_behind_the_gateway(deployed: Deployed, cookie: str) -> None:
    event = with_header(sample("account_me"), "Cookie", cookie)
    answer = answer_to("account_me", deployed, event)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["plan"] == {"id": "free", "name": "Free"}


def test_a_passed_deadline_asks_stripe_again(
    deployed: Deployed, cookie: str, late_payer: ScriptedStripe
) -> None:
    event = with_header(sample("account_me"), "Cookie", cookie)
    answer = answer_to("account_me", deployed, event, STRIPE_API_BASE=late_payer.url)
    me = json.loads(answer["body"])
    assert (me["plan"]["id"], me["subscription"]["status"]) == ("pro", "active")


@pytest.mark.usefixtures("late_payer")
def test_a_passed_deadline_without_stripes_word_ends_the_plan(
    deployed: Deployed, cookie: str
) -> None:
    """P8."""
    event = with_header(sample("account_me"), "Cookie", cookie)
    answer = answer_to("account_me", deployed, event)
    assert json.loads(answer["body"])["plan"] == {"id": "free", "name": "Free"}


def test_a_logout_ends_the_session_and_its_cookie(deployed: Deployed, cookie: str) -> None:
    leave = with_header(sample("oauth_callback_logout"), "Cookie", cookie)
    answer = answer_to("oauth_callback_logout", deployed, leave)
    assert answer["statusCode"] == 204
    assert "__Host-tollgate_session=" in (header(answer, "set-cookie") or "")
    again = with_header(sample("account_me"), "Cookie", cookie)
    assert answer_to("account_me", deployed, again)["statusCode"] == 401


def test_a_checkout_without_stripe_is_refused_and_told(deployed: Deployed, cookie: str) -> None:
    event = with_header(sample("checkout_start"), "Cookie", cookie)
    answer = answer_to("checkout_start", deployed, event)
    assert problem_of(answer, event)["code"] == "billing_unavailable"
    assert answer["statusCode"] == 503


def test_a_portal_needs_a_billing_account(deployed: Deployed, cookie: str) -> None:
    event = with_header(sample("checkout_portal"), "Cookie", cookie)
    answer = answer_to("checkout_portal", deployed, event)
    assert (answer["statusCode"], problem_of(answer, event)["code"]) == (409, "no_billing_account")


def signed_webhook() -> Event:
    event = sample("webhook_subscription_updated")
    signature = stripe.WebhookSignature.generate_signature_header(
        event["body"], SECRETS["STRIPE_WEBHOOK_SECRET"], timestamp=int(time.time())
    )
    return with_header(event, "Stripe-Signature", signature)


def test_an_event_that_cannot_be_applied_is_asked_for_again(deployed: Deployed) -> None:
    """W3. The signature passed the gateway's and Mangum's hands; Stripe itself is out of reach."""
    event = signed_webhook()
    answer = answer_to("webhook_subscription_updated", deployed, event)
    assert problem_of(answer, event)["status"] >= 500


def test_a_test_event_is_ignored_by_a_live_deployment(deployed: Deployed) -> None:
    """S29. A refusal would be repeated for days."""
    answer = answer_to(
        "webhook_subscription_updated", deployed, signed_webhook(), TOLLGATE_LIVEMODE="true"
    )
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"received": True, "outcome": "ignored"}


def test_a_deployment_without_its_secret_accepts_no_event(deployed: Deployed) -> None:
    """W5."""
    answer = answer_to(
        "webhook_subscription_updated", deployed, signed_webhook(), STRIPE_WEBHOOK_SECRET=""
    )
    assert answer["statusCode"] == 400


def test_the_studio_is_a_page_of_text(deployed: Deployed) -> None:
    answer = answer_to("studio_page", deployed)
    assert answer["statusCode"] == 200
    assert (header(answer, "content-type") or "").startswith("text/html")
    assert answer["body"].lstrip().lower().startswith("<!doctype html>")


def test_the_schedule_closes_what_is_due(deployed: Deployed) -> None:
    answer = invoke("monthly_reset", sample("monthly_reset_hourly"), deployed("MonthlyReset"))
    assert (answer["closed"], answer["finished"]) == (0, True)


def test_the_schedule_fails_while_stripe_is_away(deployed: Deployed) -> None:
    """Lambda repeats it, and keeps it in the queue in the end."""
    with pytest.raises(AssertionError, match="BillingUnavailable"):
        invoke("reconcile", sample("reconcile_daily"), deployed("Reconcile"))


def test_receipts_are_counted(deployed: Deployed) -> None:
    answer = invoke("count_spend", sample("count_spend_receipts"), deployed("CountSpend"))
    assert answer == {"state": {}, "batchItemFailures": []}


def test_usage_waits_while_stripe_is_away(deployed: Deployed, engine_url: str) -> None:
    event = sample("report_usage_receipts")
    [change] = [each["dynamodb"] for each in event["Records"]]
    use_beyond_the_month(Table(client(engine_url), TABLE), change["NewImage"])
    answer = invoke("report_usage", event, deployed("ReportUsage"))
    assert answer == {"batchItemFailures": [{"itemIdentifier": change["SequenceNumber"]}]}


def test_a_notice_is_sent(deployed: Deployed, engine_url: str) -> None:
    event = sample("send_notices_notices")
    item = event["Records"][0]["dynamodb"]["NewImage"]
    Table(client(engine_url), TABLE).put(item)
    with running_mailbox() as mailbox:
        variables = deployed("SendNotices") | {"AWS_ENDPOINT_URL_SESV2": mailbox.address}
        assert invoke("send_notices", event, variables) == {"batchItemFailures": []}
        [message] = mailbox.messages()
    assert (message["to"], message["from"]) == (item["to"]["S"], "billing@example.com")
    assert message["text"].endswith("https://example.com/\n")
