"""The contract's JSON documents, from the domain's own things."""

from datetime import UTC, datetime
from typing import Any

from tollgate.catalogue import Blueprint, Catalogue, Plan
from tollgate.generation.conversations import Conversation, Message
from tollgate.quota.gate import Gate, day_ends
from tollgate.quota.periods import rfc3339
from tollgate.tenancy.records import Account, User


def me_document(
    user: User, account: Account, gate: Gate, catalogue: Catalogue, now: datetime
) -> dict[str, Any]:
    plan = catalogue.plans.get(gate.tenant.limits.plan, catalogue.lowest)
    membership = {"id": account.id, "name": account.name, "role": "owner"}
    return {
        "user": {
            "id": user.id,
            "email": user.email,
            "name": user.name,
            "picture_url": user.picture_url,
        },
        "account": {**membership, "kind": account.kind},
        "accounts": [membership],
        "plan": {"id": plan.id, "name": plan.name},
        "subscription": {
            "status": account.subscription_status,
            "price_key": account.price_key,
            "current_period_end": _time(account.current_period_end),
            "cancel_at_period_end": account.cancel_at_period_end,
            "grace_until": _time(account.grace_until),
        },
        "usage": usage_document(gate, catalogue.per_minute, now),
    }


def usage_document(gate: Gate, per_minute: int | None, now: datetime) -> dict[str, Any]:
    limits = gate.tenant.limits
    held = gate.month_held(now)
    return {
        "day": {
            "limit": limits.day,
            "used": gate.day_used(now),
            "remaining": gate.day_left(now),
            "resets_at": rfc3339(day_ends(now)),
        },
        "month": {
            "limit": limits.month,
            "used": gate.month_used(now) - held,
            "reserved": held,
            "remaining": gate.month_left(now),
            "resets_at": rfc3339(gate.period(now).end),
        },
        "minute": {"limit": per_minute},
        "concurrent": {"limit": limits.concurrent, "open": len(gate.open)},
    }


def plan_document(plan: Plan, catalogue: Catalogue) -> dict[str, Any]:
    included = sum(catalogue.includes(plan.id, each.plan) for each in catalogue.blueprints.values())
    return {
        "id": plan.id,
        "name": plan.name,
        "prices": [
            {
                "key": each.key,
                "interval": each.interval,
                "amount": each.amount,
                "currency": each.currency,
            }
            for each in plan.prices
        ],
        "limits": {
            "day": plan.day,
            "month": plan.month,
            "minute": catalogue.per_minute,
            "concurrent": plan.concurrent,
            "input_tokens": plan.input_tokens,
            "output_tokens": plan.output_tokens,
            "blueprints": included,
        },
        "features": list(plan.features),
    }


def blueprint_document(blueprint: Blueprint, plan: str, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "slug": blueprint.slug,
        "label": blueprint.label,
        "description": blueprint.description,
        "pro_only": not catalogue.includes(catalogue.lowest.id, blueprint.plan),
        "locked": not catalogue.includes(plan, blueprint.plan),
    }


def conversation_document(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "blueprint": conversation.blueprint,
        "model": conversation.model,
        "created_at": _time(conversation.created_at),
        "updated_at": _time(conversation.updated_at),
    }


def message_document(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "role": message.role,
        "text": message.text,
        "created_at": _time(message.created_at),
    }


def _time(when: datetime | None) -> str | None:
    return None if when is None else rfc3339(when.astimezone(UTC))
