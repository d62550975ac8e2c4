"""What training once more with another setting showed, in a sentence of the advice: only what was measured.

Tried on copies of what the cell began with: with lr=0.07 in place of 0.7 `loss` stays finite and goes from 5.1e+03 to
12.3 in 60 steps. With the gradient's norm clipped to 1 and the rate as it was, `loss` is still non-finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .closed_world import RefusedError
from .settings import RATE, Knob, Setting
from .trainer import Trainer
from .training_again import Ran
from .wording import number

MAX_TENTHS = 8
_CLIP = 1.0

Train = Callable[[Sequence[str]], str]
"""Tries these kinds of settings; the sentences to add to the advice, empty where nothing was tried."""


def trainer_of(make: Callable[[], Trainer]) -> Train:
    """The trials of one finding.

    Args:
        make: Prepares the copies; raises `RefusedError` where the cell cannot be trained once more.
    """

    known: dict[tuple[str, ...], str] = {}

    def train(kinds: Sequence[str]) -> str:
        if tuple(kinds) not in known:
            known[tuple(kinds)] = once(kinds)
        return known[tuple(kinds)]

    def once(kinds: Sequence[str]) -> str:
        trainer = None
        try:
            trainer = make()
            control = trainer.control()
            said = [_TRIALS[kind](trainer, control) for kind in kinds if kind in _TRIALS]
        except RefusedError as refused:
            return f" No other setting was tried: {refused}."
        except Exception:  # whatever a framework or a strange value raises: nothing is claimed
            return ""
        finally:
            if trainer is not None:
                trainer.close()
        told = [s for s in said if s]
        return f" Tried on copies: {' '.join(told)}" if told else ""

    return train


def _rate(trainer: Trainer, control: Ran) -> str:
    if not control.knobs and not control.optimizers:
        return ""
    smallest = None
    for tenths in range(1, MAX_TENTHS + 1):
        factor = 10.0**-tenths
        ran = trainer.run(Setting("rate", factor))
        if ran is None:
            break
        smallest = factor, ran
        if trainer.is_finite(ran):
            return f"with {_spelled(control, factor)} {_outcome(trainer, ran)}."
    if smallest is None:
        return ""
    end = _outcome(trainer, smallest[1])
    return (
        f"no rate down to {_spelled(control, smallest[0])} helps; there {end}. Look at the update itself: its sign, what it "
        "adds, a schedule that raises the rate."
    )


def _clip(trainer: Trainer, control: Ran) -> str:
    if not control.steps:
        return ""
    ran = trainer.run(Setting("clip", _CLIP))
    if ran is None or not ran.clipped:
        return ""
    return f"With the gradient's norm clipped to {number(_CLIP)} and the rate as it was, {_outcome(trainer, ran)}."


def _sign(trainer: Trainer, control: Ran) -> str:
    if not control.knobs:
        return ""
    ran = trainer.run(Setting("sign"))
    return f"with the sign turned {_outcome(trainer, ran)}." if ran is not None else ""


def _clear(trainer: Trainer, control: Ran) -> str:
    if not control.steps:
        return ""
    ran = trainer.run(Setting("clear"))
    return f"with the gradients cleared after each step {_outcome(trainer, ran)}." if ran is not None else ""


_TRIALS = {"rate": _rate, "clip": _clip, "sign": _sign, "clear": _clear}


def _outcome(trainer: Trainer, ran: Ran) -> str:
    """What the run left: the loss from its first to its last value, or the variable's largest magnitude."""
    loss = trainer.loss(ran)
    if loss is not None:
        name, values = loss
        bad = next((i for i, x in enumerate(values) if not math.isfinite(x)), None)
        if bad is not None:
            return f"`{name}` is still non-finite from step {bad + 1} on"
        return f"`{name}` stays finite and goes from {number(values[0])} to {number(values[-1])} in {len(values)} steps"
    largest = trainer.largest(ran)
    if not trainer.is_finite(ran):
        return f"`{trainer.variable}` is still non-finite or huge"
    reach = "" if largest is None else f"; its largest magnitude is {number(largest)}"
    return f"`{trainer.variable}` stays finite{reach}"


def _spelled(control: Ran, factor: float) -> str:
    """The setting in words: "lr=0.07 in place of 0.7"."""
    rates = {(k.text, _number(k, control), k.where) for k in control.knobs}
    named = {(text, value) for text, value, _ in rates}
    if len(named) == 1 and not control.optimizers:
        (text, value), (_, _, where) = next(iter(named)), next(iter(rates))
        if value is None:
            return f"{text} times {number(factor)}"
        new, old = number(value * factor), number(value)
        if where.endswith("="):
            return f"{where}{new} in place of {old}"
        name = f"{text} = " if not _is_literal(text) else "a rate of "
        return f"{name}{new} in place of {old}"
    if not rates and len(control.optimizers) == 1:
        name, rate = control.optimizers[0]
        if rate is not None:
            return f"a learning rate of {number(rate * factor)} in `{name}` in place of {number(rate)}"
    return f"every rate times {number(factor)}"


def _number(knob: Knob, control: Ran) -> float | None:
    if knob.number is not None:
        return knob.number
    noted = next((values for (name, _), values in control.notes.items() if name == RATE + knob.text), [])
    if noted:
        return noted[0] if len(set(noted)) == 1 else None
    value = control.space.get(knob.text)
    return float(value) if isinstance(value, int | float) else None


def _is_literal(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
