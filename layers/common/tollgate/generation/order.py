"""What a client asked for: the posted body, checked and reduced to what is ours to use."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from tollgate.catalogue import Blueprint, Catalogue, Plan
from tollgate.generation.prompt import Prompt, PromptTooLarge, Turn, compose
from tollgate.quota.admission import Demand, PlanRefused
from tollgate.tenancy.ids import new_id

ClientId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]


class InvalidOrder(Exception):
    """One member of the body is wrong: its JSON pointer and a sentence."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


class UnknownBlueprint(Exception):
    """The catalogue has no blueprint of this slug."""


class PlanRequired(PlanRefused):
    """The blueprint or the model belongs to a higher plan, `plan`."""

    def __init__(self, plan: str) -> None:
        super().__init__(plan)
        self.plan = plan


class OverInputLimit(PlanRefused):
    """The text alone is over the plan's input limit, in tokens."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class Part(msgspec.Struct, frozen=True):
    """A part's other members are the client's own affair."""

    type: str
    text: str | None = None


class PostedMessage(msgspec.Struct, frozen=True):
    role: str
    id: str | None = None
    parts: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        return "".join(part.text or "" for part in self.parts if part.type == "text")

    @property
    def turn(self) -> Turn:
        return Turn("user" if self.role == "user" else "assistant", self.text)


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the AI SDK's `useChat` posts, or the plain `{"blueprint", "input"}` of a script."""

    id: ClientId | None = None
    messages: tuple[PostedMessage, ...] | None = None
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    messageId: ClientId | None = None
    input: str | None = None
    blueprint: str | None = None
    model: str | None = None


class Order(msgspec.Struct, frozen=True):
    """`earlier` is what the client says came before: it sizes the hold, and the store's own turns
    are sent. `continued`: the client named a conversation, which the store may know.
    """

    blueprint: Blueprint
    alias: str
    conversation_id: str
    question_id: str
    question: str
    earlier: tuple[Turn, ...]
    continued: bool

    def demand(self, catalogue: Catalogue, plan: Plan) -> Demand:
        """An upper bound under `plan`. Errors: `PlanRequired`, `OverInputLimit`."""
        if not catalogue.includes(plan.id, self.blueprint.plan):
            raise PlanRequired(self.blueprint.plan)
        try:
            prompt = self.prompt(self.earlier, plan.input_tokens)
        except PromptTooLarge:
            raise OverInputLimit(plan.input_tokens) from None
        primary = catalogue.route(self.alias, plan.id)[0]
        return Demand(prompt.input_bound, plan.output_tokens, primary.id)

    def prompt(self, history: Sequence[Turn], input_tokens: int) -> Prompt:
        return compose(self.blueprint.system, history, self.question, input_tokens)


def order(body: Body, catalogue: Catalogue) -> Order:
    """Errors: `InvalidOrder`, `UnknownBlueprint`."""
    question_id, question, earlier = _question(body)
    if not question.strip():
        raise InvalidOrder(
            "/messages" if body.input is None else "/input", "There is no text to work on."
        )
    slug = next(iter(catalogue.blueprints)) if body.blueprint is None else body.blueprint
    blueprint = catalogue.blueprints.get(slug)
    if blueprint is None:
        raise UnknownBlueprint
    alias = blueprint.model if body.model is None else body.model
    if alias not in catalogue.aliases:
        raise InvalidOrder("/model", f"Expected one of: {', '.join(catalogue.aliases)}.")
    return Order(
        blueprint=blueprint,
        alias=alias,
        conversation_id=body.id or new_id("cnv"),
        question_id=question_id or new_id("msg"),
        question=question,
        earlier=tuple(each.turn for each in earlier),
        continued=body.id is not None,
    )


def _question(body: Body) -> tuple[str | None, str, Sequence[PostedMessage]]:
    """The last user message's id and text, and the messages before it."""
    if (body.input is None) == (body.messages is None):
        raise InvalidOrder("", "Give either messages or input.")
    if body.messages is None:
        return None, body.input or "", ()
    for place in reversed(range(len(body.messages))):
        message = body.messages[place]
        if message.role == "user":
            return _client_id(message.id, place), message.text, body.messages[:place]
    raise InvalidOrder("/messages", "There is no user message.")


def _client_id(value: str | None, place: int) -> str | None:
    try:
        return msgspec.convert(value, ClientId | None)
    except msgspec.ValidationError:
        raise InvalidOrder(
            f"/messages/{place}/id", "Expected 1 to 64 of A-Z, a-z, 0-9, _ and -."
        ) from None
