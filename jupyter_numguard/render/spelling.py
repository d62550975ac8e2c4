"""How numbers, sizes, shapes and the user's own text are spelled, everywhere the same.

`static/panel.js` spells them too, in JavaScript; `tests/browser` compares the two.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

LABEL_LIMIT = 120  # characters of a name or a one-line statement
LINE_LIMIT = 200  # characters of a line of code
LINES_LIMIT = 12  # lines of a statement or a rewrite
PROSE_LIMIT = 1200  # characters of evidence, advice, a note

# Control, format (bidi overrides, zero-width), surrogate and private characters, and Unicode's own line breaks: shown,
# they would move the cursor, hide text or reverse it. Half a surrogate pair cannot even be encoded.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def visible(text: str) -> str:
    """The text with what is invisible written as an escape (U+202E: \\u202e); line breaks stay, tabs are 4 spaces."""
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(c if c == "\n" or unicodedata.category(c) not in _HIDDEN else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, the last one an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def label(text: str) -> str:
    """A name or a short statement on one line."""
    return clip(visible(text[: 2 * LABEL_LIMIT]).replace("\n", "⏎ "), LABEL_LIMIT)


def with_code(text: str) -> list[tuple[str, bool]]:
    """The parts of a sentence, and of each whether it stood between backticks (and is code)."""
    parts = re.split(r"`([^`]+)`", text)
    return [(part, i % 2 == 1) for i, part in enumerate(parts) if part]


def prose(text: str) -> str:
    """Evidence, advice or a note, as one paragraph."""
    return clip(visible(" ".join(text[: 2 * PROSE_LIMIT].split())), PROSE_LIMIT)


def code_lines(code: str) -> list[str]:
    """The lines of a statement without their common indentation, bounded in number and in length."""
    lines = code.strip("\n").split("\n", LINES_LIMIT)
    cut = len(lines) > LINES_LIMIT
    shown = [visible(line[: 2 * LINE_LIMIT]) for line in lines[:LINES_LIMIT]]
    indents = [len(line) - len(line.lstrip(" ")) for line in shown if line.strip()]
    margin = min(indents, default=0)
    return [clip(line[margin:], LINE_LIMIT) for line in shown] + (["…"] if cut else [])


def first_line(code: str) -> str:
    """A statement as a label: its first line, with an ellipsis where there are more."""
    head, _, rest = code.strip().partition("\n")
    return label(head + (" …" if rest else ""))


def number(value: float | None) -> str:
    """Four significant digits at most: 0.125, 213, 123457, 6.2e-7, NaN, +Inf, -Inf."""
    if value is None:
        return "unknown"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    mantissa, _, tail = f"{value:.3e}".partition("e")
    exponent = int(tail)
    if -4 <= exponent < 6:
        return _trim(f"{float(f'{value:.3e}') if exponent < 4 else value:.{max(0, 3 - exponent)}f}")
    return f"{_trim(mantissa)}e{exponent}"


def _trim(digits: str) -> str:
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits


def amount(count: int) -> str:
    """1280 -> "1,280"."""
    return f"{count:,}"


def many(count: int, noun: str) -> str:
    """1 -> "1 tensor", 14 -> "14 tensors"."""
    return f"{amount(count)} {noun}" + ("" if count == 1 else "s")


def memory(count: int) -> str:
    """1200000 -> "1.2 MB" (decimal units)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{_digits(value)} {unit}"
        value /= 1000
    return f"{_digits(value)} TB"


def duration(seconds: float) -> str:
    """0.003 -> "3 ms", 61.5 -> "61.5 s"."""
    if not math.isfinite(seconds):
        return "an unknown time"
    return (
        f"{_digits(seconds)} s"
        if seconds >= 1
        else f"{_digits(seconds * 1000)} ms"
        if seconds >= 1e-3
        else "under 1 ms"
    )


def _digits(value: float) -> str:
    return _trim(f"{value:.1f}") if value < 100 else f"{value:.0f}"


def tensor(dtype: str, shape: Iterable[int], device: str) -> str:
    """"float32[3, 4], cpu"; a scalar has no brackets."""  # fmt: skip
    sizes = list(shape)
    shown = ", ".join(map(str, sizes[:8])) + (", …" if len(sizes) > 8 else "")
    return f"{label(dtype)}{f'[{shown}]' if sizes else ''}, {label(device)}"


def index(position: Iterable[int]) -> str:
    """"[0, 3]"; of a scalar nothing."""  # fmt: skip
    at = list(position)
    return f"[{', '.join(map(str, at[:8]))}{', …' if len(at) > 8 else ''}]" if at else ""


def listed(words: list[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
