"""The two pictures of a report as inline SVG: how a variable grew, and the binary exponents of an operand.

Each has its sentence beside it (`wording.py`), so nothing is said by the picture alone; `static/panel.js` draws the
same.
"""

from __future__ import annotations

import math

from jupyter_numguard.model import History, TensorSummary

from .markup import Markup, tag
from .spelling import amount, label, number
from .wording import exponents_sentence, growth

WIDTH, GROWTH_HEIGHT, EXPONENTS_HEIGHT = 290, 46, 58
BARS = 32  # exponents are merged to at most so many bars


def growth_picture(history: History) -> Markup | None:
    """Largest magnitude per step; logarithmic where it spans more than two decades. None with fewer than two points."""
    points = [(s, abs(a)) for s, a in zip(history.step, history.absmax, strict=False) if math.isfinite(a)]
    if len(points) < 2:
        return None
    low, high = min(a for _, a in points if a) if any(a for _, a in points) else 0.0, max(a for _, a in points)
    is_log = low > 0 and high / low > 100
    first, last = history.step[0], history.step[-1]

    def x(step: float) -> float:
        return 2 + (WIDTH - 14) * (step - first) / max(1, last - first)

    def y(value: float) -> float:
        linear = value / high if high else 0.0
        part = math.log(max(value, low) / low) / math.log(high / low) if is_log else linear
        return GROWTH_HEIGHT - 6 - (GROWTH_HEIGHT - 20) * part

    path = " ".join(f"{'L' if i else 'M'}{x(s):.1f} {y(a):.1f}" for i, (s, a) in enumerate(points))
    beyond = next((s for s, a in zip(history.step, history.absmax, strict=False) if not math.isfinite(a)), last)
    end = f"{x(beyond):.1f}"
    caption = f"max |{label(history.variable)}| per step" + (", log scale" if is_log else "")
    return _svg(
        GROWTH_HEIGHT,
        growth(history),
        tag("path", d=path, cls="ng-curve", fill="none"),
        tag("line", x1=end, x2=end, y1="2", y2=str(GROWTH_HEIGHT - 6), cls="ng-limit"),
        tag("text", caption, x="2", y="10"),
        tag(
            "text",
            amount(beyond),
            x=f"{min(x(beyond), WIDTH - 2.0) - 4:.1f}",
            y=str(GROWTH_HEIGHT - 8),
            text_anchor="end",
        ),
    )


def exponents_picture(operand: TensorSummary) -> Markup | None:
    """Histogram of the binary exponents, zeros as a bar of their own at the left. None where it was not measured."""
    histogram = operand.exponents
    if histogram is None or not any(histogram.counts):
        return None
    counts = list(histogram.counts)
    while counts and not counts[-1]:
        counts.pop()
    lead = next(i for i, n in enumerate(counts) if n)
    first, counts = histogram.first + lead, counts[lead:]
    group = -(-len(counts) // BARS)
    bars = [sum(counts[i : i + group]) for i in range(0, len(counts), group)]
    left = 34 if operand.zeros else 2
    pitch = (WIDTH - left - 4) / max(8, len(bars))
    top = max([*bars, operand.zeros or 0])
    base = EXPONENTS_HEIGHT - 14

    def bar(at: float, width: float, count: int, cls: str) -> Markup:
        height = 0.0 if not count else max(1.5, (base - 14) * count / top)
        return tag(
            "rect", x=f"{at:.1f}", y=f"{base - height:.1f}", width=f"{width:.1f}", height=f"{height:.1f}", cls=cls
        )

    drawn = [bar(left + i * pitch, max(1.0, pitch * 0.78), n, "ng-bar") for i, n in enumerate(bars)]
    if operand.zeros:
        drawn += [
            tag("rect", x="0", y="12", width="26", height=str(base - 12), cls="ng-zone"),
            bar(6, 14, operand.zeros, "ng-zero"),
            tag("text", "0", x="10", y=str(EXPONENTS_HEIGHT - 3)),
        ]
    below = str(EXPONENTS_HEIGHT - 3)
    drawn.append(tag("text", _power(first), x=str(left), y=below))
    if len(bars) > 5:
        end = f"{left + len(bars) * pitch:.1f}"
        drawn.append(tag("text", _power(first + len(counts)), x=end, y=below, text_anchor="end"))
    return _svg(EXPONENTS_HEIGHT, exponents_sentence(operand), *drawn)


def _power(exponent: int) -> str:
    """2 to the power, in decimal: -126 -> "1.2e-38"; it may lie outside the range of a float."""
    tens = exponent * math.log10(2)
    if -4 <= tens < 6:
        return number(2.0**exponent)
    whole = math.floor(tens)
    return f"{10 ** (tens - whole):.1f}".removesuffix(".0") + f"e{whole}"


def _svg(height: int, sentence: str, *children: Markup) -> Markup:
    box = f"0 0 {WIDTH} {height}"
    return tag("svg", *children, viewBox=box, width=str(WIDTH), height=str(height), role="img", aria_label=sentence)
