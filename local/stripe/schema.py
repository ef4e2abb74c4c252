"""Requests checked against the types that Stripe generates from its own API description.

stripe-python ships them as TypedDicts (`stripe.params`), one for each operation. Walking one turns
form fields into typed values, and refuses what Stripe would refuse: the stand-in cannot hide
a parameter that the real service does not know.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import stripe
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import get_type_hints, is_typeddict

from local.stripe.wire import Field, Form, Json, StripeError

# Every request type inherits the SDK's own options, which never travel as parameters; two of their
# annotations name what is imported for type checkers only.
_OPTIONS = frozenset(stripe.RequestOptions.__annotations__)
_TYPING_ONLY = {"Mapping": Mapping, "StripeContext": object}
_INTEGER = re.compile(r"-?\d{1,18}")
_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,12})?")


def read(params: type, form: Form) -> Json:
    """The typed parameters of one request; StripeError with the name of the first that is wrong."""
    return _struct(params, form, "")


@cache
def _fields(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, localns=_TYPING_ONLY)
    options = _OPTIONS if stripe.RequestOptions.__annotations__.keys() <= hints.keys() else ()
    return {name: hint for name, hint in hints.items() if name not in options}


def _struct(kind: Any, value: Field, where: str) -> Json:
    fields = _fields(kind)
    given = _mapping(value, where)
    for name in given:
        if name not in fields:
            path = _inside(where, name)
            message = f"Received unknown parameter: {path}"
            raise StripeError(message, param=path, code="parameter_unknown")
    for name in fields:
        if name in kind.__required_keys__ and name not in given:
            path = _inside(where, name)
            message = f"Missing required param: {path}."
            raise StripeError(message, param=path, code="parameter_missing")
    return {name: _value(fields[name], each, _inside(where, name)) for name, each in given.items()}


def _value(kind: Any, value: Field, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _union(get_args(kind), value, where)
    if origin is Literal:
        return _choice(get_args(kind), value, where)
    if origin is list:
        return _list(get_args(kind)[0], value, where)
    if origin in (dict, UntypedStripeObject):
        return _words(value, where)
    if is_typeddict(kind):
        return _struct(kind, value, where)
    return _scalar(kind, value, where)


def _union(options: Sequence[Any], value: Field, where: str) -> Any:
    """The generator writes an enumeration as `Literal[…] | str`: that `str` admits nothing here."""
    words = [word for each in options if get_origin(each) is Literal for word in get_args(each)]
    if value in words:
        return value
    named = any(words)
    others = [
        each for each in options if get_origin(each) is not Literal and not (named and each is str)
    ]
    fitting = [each for each in others if _is_nested(each) == isinstance(value, dict)] or others
    if not fitting:
        return _choice([word for word in words if word], value, where)
    for option in fitting[:-1]:
        try:
            return _value(option, value, where)
        except StripeError:
            continue
    return _value(fitting[-1], value, where)


def _is_nested(kind: Any) -> bool:
    return get_origin(kind) in (list, dict, UntypedStripeObject) or is_typeddict(kind)


def _choice(words: Sequence[Any], value: Field, where: str) -> str:
    if isinstance(value, str) and value in words:
        return value
    known = " or ".join(map(str, words))
    raise StripeError(f"Invalid {where}: must be one of {known}", param=where)


def _list(inside: Any, value: Field, where: str) -> list[Any]:
    given = _mapping(value, where, "array")
    if not all(key.isdecimal() for key in given):
        raise StripeError("Invalid array", param=where)
    ordered = sorted(given, key=int)
    return [_value(inside, given[key], _inside(where, key)) for key in ordered]


def _words(value: Field, where: str) -> dict[str, str]:
    """Metadata: free names, and an empty value unsets one."""
    words: dict[str, str] = {}
    for name, each in _mapping(value, where).items():
        if not isinstance(each, str):
            raise StripeError("Invalid string", param=_inside(where, name))
        words[name] = each
    return words


def _scalar(kind: Any, value: Field, where: str) -> Any:
    if not isinstance(value, str):
        raise StripeError("Invalid string", param=where)
    if value == "":
        message = (
            f"You passed an empty string for '{where}'. We assume empty values are an attempt to "
            "unset a parameter; however it cannot be unset."
        )
        raise StripeError(message, param=where, code="parameter_invalid_empty")
    if kind is bool:
        if value not in ("true", "false"):
            raise StripeError(f"Invalid boolean: {value}", param=where)
        return value == "true"
    if kind is int:
        if not _INTEGER.fullmatch(value):
            message = f"Invalid integer: {value}"
            raise StripeError(message, param=where, code="parameter_invalid_integer")
        return int(value)
    if kind is not str and not _DECIMAL.fullmatch(value):
        raise StripeError(f"Invalid decimal: {value}", param=where)
    return value


def _mapping(value: Field, where: str, what: str = "object") -> Form:
    if isinstance(value, str):
        raise StripeError(f"Invalid {what}", param=where)
    return value


def _inside(where: str, name: str) -> str:
    return f"{where}[{name}]" if where else name
