"""Field types: how a scalar's raw text becomes a value, by the rules of dregsy's YAML library (yaml.v2)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, WithJsonSchema

from dregsy_queue.config.durations import parse_go_duration
from dregsy_queue.config.yaml_lines import Scalar
from dregsy_queue.matching.go_regex import Matcher
from dregsy_queue.oci.login import Credentials, decode_auth
from dregsy_queue.oci.subset import parse_platforms

#: The range of Go's int, and of its durations in nanoseconds.
_GREATEST = 2**63 - 1

#: Words that with a colon begin texts, and without quotes would be keys.
_PREFIXES = ("keep", "regex", "semver")
_TRUE, _FALSE = {"y", "yes", "true", "on"}, {"n", "no", "false", "off"}


def _text(value: Any) -> str:  # noqa: ANN401 - raw YAML
    if value is None:
        return ""
    if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))) in _PREFIXES:
        raise ValueError(f"is not text to YAML without quotes; write '{key}: {value[key]}' with them")
    if not isinstance(value, str):
        raise ValueError("must be text, not a list or a mapping")
    return str(value)


def boolean(value: Any) -> bool:  # noqa: ANN401
    """A truth value as YAML 1.1 has it. Raises: ValueError."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Scalar) and value.plain:
        # YAML 1.1: all lower case, capitalised or all upper case
        text = value if value in (value.lower(), value.capitalize(), value.upper()) else ""
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
    raise ValueError("must be true or false, without quotes")


def _platform(value: Any) -> str:  # noqa: ANN401
    parts = value if isinstance(value, list) else [value]
    text = ",".join(part.strip() for item in parts for part in _text(item).split(","))
    if isinstance(value, list) and ("all" in text.split(",") or not text):
        raise ValueError("a list names platforms (os/arch[/variant]); for all of them write 'platform: all'")
    parse_platforms(text)
    return text


def _immutable(value: Any) -> bool | str:  # noqa: ANN401
    try:
        return boolean(value)
    except ValueError:
        expression = _text(value).strip().removeprefix("regex:").strip()
    if not expression:
        raise ValueError("must be true, false or an expression that tags match") from None
    Matcher.parse(expression)
    return expression


def _boolean_or_text(value: Any) -> bool | str | None:  # noqa: ANN401
    try:
        return boolean(value)
    except ValueError:
        return _text(value).strip() or None


def _integer(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, int):
        return int(value)
    number = _number(value) if isinstance(value, Scalar) and value.plain else None
    if number is None:
        raise ValueError("must be a whole number, without quotes or unit")
    if abs(number) > _GREATEST:
        raise ValueError(f"is too large; the largest value is {_GREATEST}")
    return number


_BASES = {"x": 16, "o": 8, "b": 2}
_BASED = re.compile(r"[-+]?0([xob])[0-9a-f]+")
_OCTAL = re.compile(r"[-+]?0[0-7]+")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?")


def _number(text: str) -> int | None:
    """A number as YAML 1.1 has it, fractions cut off; what is far too great is just above the greatest."""
    text = text.replace("_", "").lower()
    if len(text) > 40:
        return _GREATEST + 1 if _DECIMAL.fullmatch(text) else None
    try:
        if based := _BASED.fullmatch(text):
            return int(text, _BASES[based[1]])
        if _OCTAL.fullmatch(text):
            return int(text, 8)
        if _DECIMAL.fullmatch(text):
            return int(text)
        return int(float(text)) if _FLOAT.fullmatch(text) else None
    except ValueError:
        return None
    except OverflowError:
        return _GREATEST + 1


def _duration(value: Any) -> float:  # noqa: ANN401
    if isinstance(value, float):
        return value
    text = _text(value)
    quoted = isinstance(value, Scalar) and not value.plain
    number = _number(text)
    if not quoted and number is not None:
        return number * 1e-9
    if quoted and number:
        raise ValueError(f"'{text}' has no unit; write for example 30m or 1h30m")
    return parse_go_duration(text)


class Rate(NamedTuple):
    """`number` per `seconds`."""

    number: int
    seconds: float


def _rate(value: Any) -> Rate:  # noqa: ANN401
    if isinstance(value, Rate):
        return value
    text = _text(value)
    number, slash, window = text.partition("/")
    # "20/s" is one per unit, "100/6h" has a number of its own
    window = "1" + window.strip() if window.strip().isalpha() else window.strip()
    try:
        rate = Rate(int(number), parse_go_duration(window)) if slash else Rate(0, 0)
    except ValueError:
        rate = Rate(0, 0)
    if rate.number < 1 or rate.seconds < 0.001:
        raise ValueError(f"'{text}' is not a rate; write NUMBER/WINDOW, for example 100/6h or 20/s")
    return rate


def _auth(value: Any) -> Credentials | Literal["none"] | None:  # noqa: ANN401
    if value is None or isinstance(value, Credentials):
        return value
    text = _text(value)
    if text in ("", "none"):
        return "none" if text else None
    credentials = decode_auth(text)
    return credentials if credentials.username or credentials.password else None


def _path(value: Any) -> Path:  # noqa: ANN401
    return value if isinstance(value, Path) else Path(_text(value))


_DURATION_SCHEMA = {"type": ["string", "integer"], "examples": ["30m", "1h30m", "300ms"]}

Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]
Bool = Annotated[bool, BeforeValidator(boolean), WithJsonSchema({"type": "boolean"})]
#: true: all tags; text: an expression that whole tags match
Immutable = Annotated[
    bool | str, BeforeValidator(_immutable), WithJsonSchema({"type": ["boolean", "string"], "examples": [True, "v.*"]})
]
#: true, false or text
BoolOrText = Annotated[
    bool | str | None, BeforeValidator(_boolean_or_text), WithJsonSchema({"type": ["boolean", "string"]})
]
#: one platform, several with commas in between, "all", or "" for the worker's own
PlatformText = Annotated[
    str,
    BeforeValidator(_platform),
    WithJsonSchema(
        {"type": ["string", "array", "null"], "items": {"type": "string"}, "examples": ["all", "linux/arm64"]}
    ),
]
Int = Annotated[int, BeforeValidator(_integer), WithJsonSchema({"type": "integer"})]
#: seconds
Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
RateLimit = Annotated[Rate, BeforeValidator(_rate), WithJsonSchema({"type": "string", "examples": ["100/6h", "20/s"]})]
Auth = Annotated[
    Credentials | Literal["none"] | None,
    BeforeValidator(_auth),
    WithJsonSchema({"type": "string", "description": 'base64 of {"username": …, "password": …}, or none'}),
]
File = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string"})]
