"""A Report and its JSON: `to_json` writes it, `from_json` reads it back, `schema` says what it looks like.

The JSON is the product's contract (see `report.schema.json`): the field names are those of `model.py`, tuples are
lists, and a number that JSON cannot write is one of the strings "NaN", "Infinity" and "-Infinity". It may be stored in
a notebook file and read by a later or an earlier numguard, so reading ignores fields it does not know and fills in
those that are missing and have a default.
"""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from importlib.resources import files
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union

from .errors import ReportFormatError
from .model import SCHEMA_VERSION, Report

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MIME = "application/vnd.numguard.report+json"
"""Under this type a report is stored in the notebook."""

NON_FINITE_SPELLINGS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How JSON spells the numbers it has none for."""

# Half of a surrogate pair is no character: it cannot be encoded as UTF-8, so one of them in a report would make the
# whole notebook unsaveable. Control characters can be written (as escapes) and are kept: an edit's `before` is exact.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

_T = TypeVar("_T")


def to_json(value: DataclassInstance) -> dict[str, Any]:
    """The JSON object of a report, of a part that is sent alone or of a message about it.

    `json.dumps(..., allow_nan=False)` accepts it.

    Cost: one pass over the report; no text is shortened.
    """
    encoded: dict[str, Any] = _encode(value)
    return encoded


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if is_dataclass(value):
        return {f.name: _encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [_encode(v) for v in value]
    if isinstance(value, Integral):  # numpy's integers too
        return int(value)
    if isinstance(value, Real):
        return _encode_number(float(value))
    raise TypeError(f"a report holds no {type(value).__name__}")


def _encode_number(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def from_json(data: Mapping[str, Any]) -> Report:
    """The report that a JSON object stands for: the inverse of `to_json`.

    Raises:
        ReportFormatError: It is not a report of schema version 1; the message names the field.
    """
    if not isinstance(data, Mapping):
        raise ReportFormatError(f"a report is a JSON object, not {type(data).__name__}")
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ReportFormatError(f"schema_version is {version!r}; this numguard reads {SCHEMA_VERSION}")
    return _decode_object(Report, data, "report")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_object(kind: type[_T], data: Mapping[str, Any], where: str) -> _T:
    values, hints = {}, _hints(typing.cast("Any", kind))
    for f in fields(kind):  # type: ignore[arg-type]  # every `kind` that comes here is a dataclass of model.py
        if f.name in data:
            values[f.name] = _decode(hints[f.name], data[f.name], f"{where}.{f.name}")
        elif f.default is MISSING and f.default_factory is MISSING:
            raise ReportFormatError(f"{where}.{f.name} is missing")
    return kind(**values)


def _decode(hint: Any, value: Any, where: str) -> Any:
    shape, arguments = typing.get_origin(hint), typing.get_args(hint)
    if shape in (Union, types.UnionType):  # model.py has only "X | None"
        if value is None:
            return None
        return _decode(next(a for a in arguments if a is not type(None)), value, where)
    if shape is tuple and isinstance(value, list | tuple):
        return tuple(_decode(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if shape is Literal and value in arguments:
        return value
    if is_dataclass(hint) and isinstance(value, Mapping):
        return _decode_object(typing.cast("type[Any]", hint), value, where)
    if hint is float and isinstance(value, str) and value in NON_FINITE_SPELLINGS:
        return NON_FINITE_SPELLINGS[value]
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    wanted = f"one of {', '.join(map(repr, arguments))}" if shape is Literal else getattr(hint, "__name__", str(hint))
    raise ReportFormatError(f"{where} is {str(value)[:80]!r}, not {wanted}")


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `to_json` writes, from the packaged `report.schema.json`."""
    text = files(__package__).joinpath("report.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
