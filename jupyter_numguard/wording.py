"""How numbers and tensors are spelled in messages: `0.25`, `1.2e+38`, `float32[3, 4]`, `3 of 8 elements`."""

from __future__ import annotations

from .model import TensorSummary

# Largest finite value per dtype: IEEE 754-2019 table 3.5 (binary16, 32, 64); bfloat16 has float32's exponent.
LARGEST = {"float16": 65504.0, "bfloat16": 3.3895e38, "float32": 3.4028e38, "float64": 1.7976e308}

# "float" is Python's own: IEEE binary64.
_SHORT_NAMES = {"half": "float16", "float": "float64", "double": "float64"}


def dtype_name(dtype: str) -> str:
    """The dtype without its framework: "torch.float16" and "<dtype: 'float16'>" are "float16"."""
    name = dtype.removeprefix("<dtype: ").rstrip(">").strip("'").rsplit(".", 1)[-1]
    return _SHORT_NAMES.get(name, name)


def number(value: float) -> str:
    """At most four significant digits, as a person writes it."""
    return f"{value:.4g}"


def tensor(summary: TensorSummary) -> str:
    """ "`p` (float32[3, 4])", or "float32[3, 4]" where the user has no name for it."""
    spelled = f"{dtype_name(summary.dtype)}[{', '.join(map(str, summary.shape))}]"
    return f"`{summary.variable}` ({spelled})" if summary.variable else spelled


def share(count: int, summary: TensorSummary) -> str:
    """ "3 of the 8 elements of `p` (float32[8])"; a scalar is only named."""
    if summary.size == 1:
        return tensor(summary)
    total = f"{summary.size} " if summary.size is not None else ""
    return f"{count} of the {total}elements of {tensor(summary)}"


def be(count: int, summary: TensorSummary) -> str:
    """ "is" or "are", after `share(count, summary)`."""
    return "is" if count == 1 or summary.size == 1 else "are"


def num_nonfinite(summary: TensorSummary | None) -> int:
    """How many elements are known to be non-finite; what was not measured counts as none."""
    return 0 if summary is None else sum(n or 0 for n in (summary.nan, summary.posinf, summary.neginf))


def suffix_of_key(key: object) -> str | None:
    """`["a"]`, `[0]`: a key as the user would type it; None if it cannot be typed."""
    cls = type(key)
    if cls is str:
        text = str(key)
        return f'["{text}"]' if text.isprintable() and '"' not in text and "\\" not in text else f"[{text!r}]"
    if cls is int or cls is bool or cls is bytes or key is None:
        return f"[{key!r}]"
    if type(key) is tuple and all(type(k) in (str, int) for k in key):
        return f"[{key!r}]"
    return None
