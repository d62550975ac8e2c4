"""Run a proposed rewrite on private copies of the operands that failed: is it finite, and does it agree?

A proposal is *verified* when, on the copies,

1. the rewritten expressions, and the whole statement where it can be run, are finite in value and gradient;
2. each rewritten expression agrees with the original in value and gradient, both computed in float64, on every element
   outside the rewrite's guarded neighbourhood on which the original is finite (relative tolerance 1e-4);
3. the copies give what the user's own statement gave: otherwise a variable has moved on, and nothing is claimed.

Only operations that `purity.py` knows are run; copies only, one evaluation each.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import mul
from typing import Any

from .aftermath import BrokenError, UnprovenError, computed, second_fault
from .copies import Copies
from .model import Framework, SourceStatement
from .numerics import Outcome, evaluate, is_float_tensor, is_tensor, unheard, widened
from .purity import BUILTINS, calls_layer, holds_layers, why_not_run
from .rewrite import Form, Part, Proposal, Verdict, VerifyRun
from .small_functions import FunctionNamed
from .terms import parse

_RTOL = 1e-4
_WRITTEN_DTYPE = re.compile(r"float(?!\('-inf'\))|half|double|astype|cast|\.to\(")


_Function = Callable[..., Any]


class _NotRun(Exception):
    """Why a proposal could not be run; the text is the note."""


class _SecondFault(Exception):
    """The rewrite holds, and a later statement is not finite all the same: the note and that statement."""


class _BoundOnly(Exception):
    """Nothing of the result is left but the bound of a guard; the text is the note."""


class _NoTensor(Exception):
    """A statement computes something else than a tensor."""


class _Refuted(Exception):
    """What running it showed against it; the text is the note."""


def verifier(
    samples: Mapping[str, object],
    modules: Mapping[str, object],
    *,
    gradient: bool = True,
    backward: bool = False,
    function_named: FunctionNamed = lambda name: None,
) -> VerifyRun:
    """The run for one finding.

    Args:
        samples: Private copies of tensors and numbers by the user's name; names may be missing.
        modules: The user's modules and framework functions by name; nothing else of the namespace is used.
        gradient: Whether a gradient was taken (or may have been): it must then be finite too. torch's tensors say so
            themselves.
        backward: It is the gradient that failed: it is always taken.
        function_named: The user's small functions; what they compute is run, they are not called.
    """

    def run(proposal: Proposal) -> Verdict:
        try:
            with unheard():
                return Verdict(
                    True, _Run(proposal, Copies(samples, function_named), modules, gradient, backward).note()
                )
        except _NotRun as reason:
            return Verdict(False, f"Not run: {reason}.")
        except _BoundOnly as reason:
            return Verdict(False, reason.args[0])
        except _SecondFault as reason:
            return Verdict(False, reason.args[0], fault=reason.args[1])
        except _Refuted as reason:
            return Verdict(False, f"Run on the operands that failed: {reason}.", refuted=True)
        except Exception as error:  # whatever a framework raises: the rewrite would raise it in the cell
            return Verdict(False, f"Run on the operands that failed: it raised {type(error).__name__}.", refuted=True)

    return run


class _Run:
    def __init__(
        self,
        proposal: Proposal,
        copies: Copies,
        modules: Mapping[str, object],
        gradient: bool,
        backward: bool,
    ) -> None:
        self.proposal = proposal
        self.aliases = dict(proposal.aliases)
        self.copies = copies
        self.samples = self.copies.names
        self._framework = proposal.parts[0].framework
        allowed = {k: v for k, v in modules.items() if k in self.aliases or holds_layers(v)}
        self.names = {**allowed, **self.samples}
        for name, text in proposal.given:
            if why_not_run(self._expression(text), self.aliases, self.names) is None:
                self.names[name] = self._evaluate(self._expression(text), self.names)
        self.names.update(computed(proposal.between, self.copies, self.names, self.aliases, self._evaluate))
        name, text = proposal.rebound
        self.rebound = {name: self._value(text)} if name else {}
        self.gradient, self.backward = gradient, backward

    def note(self) -> str:
        """Run all parts and the statement.

        Raises:
            _NotRun, _Refuted, _BoundOnly, _SecondFault: See the classes.
        """
        largest, compared, size = 0.0, 0, 0
        for part in self.proposal.parts:
            difference, n, of = self._run_part(part)
            largest, compared, size = max(largest, difference), compared + n, size + of
        whole = self._run_statement()
        guards = all(not p.rewrite.same_mathematics for p in self.proposal.parts)
        if guards and self.proposal.is_underflow and not compared:
            raise _BoundOnly(
                "Run on the operands that failed: finite, but only because of the bound, and no element tells by how much it "
                "is wrong: the operand underflowed. Add up its logarithms instead of taking that of the product."
            )
        named = dict.fromkeys(w for p in self.proposal.parts if (w := p.where or p.rewrite.neighbourhood))
        where = ", or ".join(named)
        text = f"Run on the operands that failed: finite{', gradient too' if self.gradient_seen else ''}"
        if compared:
            text += f"; largest relative change {largest:.1g} on {compared} of {size} elements"
            if compared < size:
                text += f", the others are {where or 'where the original is not finite'}"
        else:
            text += "; the original has no finite element to compare with"
        text += "." if whole else "; only the rewritten expression was run, not the whole statement."
        text += "".join(f" {part.remark}" for part in self.proposal.parts if part.remark)
        also = {s: new for s, new in self.proposal.changed if s in self.proposal.later}
        if also and not whole:
            raise _NotRun("what a second changed line reads of the first is not known")
        fault = self._second_fault(also) if whole else None
        if fault is not None:
            raise _SecondFault(
                f"{text} It is no cure alone: then `{fault.source.strip()}` (line {fault.line}) is not finite.", fault
            )
        for statement in also:
            text += f" Line {statement.line} changes as well: it would not be finite then."
        return text

    def _second_fault(self, rewritten: Mapping[SourceStatement, str]) -> SourceStatement | None:
        try:
            return second_fault(
                self.proposal.statement.source, self.proposal.source, self.proposal.later, self.copies, self.names, self.aliases,
                self.proposal.parts[0].framework, self._evaluate, rewritten, self.rebound,
            )  # fmt: skip
        except (UnprovenError, BrokenError) as reason:
            raise _Refuted(str(reason)) from None
        except Exception:  # a later statement that the copies do not fit: nothing is known of it
            if rewritten:
                raise _Refuted("a second changed line could not be run") from None
            return None

    gradient_seen = False

    def _run_part(self, part: Part) -> tuple[float, int, int]:
        framework = part.framework
        if part.form is None:
            before, after, guard, values = self._written(part)
        else:
            before, after, guard, values = self._matched(part, part.form)
        if part.form is not None and not any(_is_operand(v, framework) for v in values):
            raise _NotRun(f"none of its operands is a {framework} tensor")
        gradient = self._with_gradient(framework, values)
        result = evaluate(after, values, framework, gradient=gradient)
        if not result.is_finite():
            raise _Refuted("the rewritten expression is not finite either")
        self.gradient_seen |= any(g is not None for g in result.gradients)
        if part.form is not None:
            self._same_as_user(part, evaluate(before, values, framework, gradient=False), framework)
        pair = _Pair(before, after, guard, framework, part.rtol)
        # What is written in the user's own words may hold dtypes: it is run as it stands.
        wide = values if part.form is None and not part.wide else [widened(v, framework) for v in values]
        largest, compared, size = pair.compare(wide, gradient)
        if compared < size and part.rewrite.same_mathematics and part.form is not None:
            self._run_scaled(pair, wide, needed=True)
        elif not compared and part.rewrite.same_mathematics and not _WRITTEN_DTYPE.search("".join(part.compared)):
            for operands in ([widened(v, framework) for v in values], values):
                try:
                    self._run_scaled(pair, operands, needed=False)
                    break
                except _Refuted:
                    raise
                except Exception:  # what it is written with takes no float64: `torch.zeros(n)`
                    continue
        return largest, compared, size

    def _matched(self, part: Part, form: Form) -> tuple[_Function, _Function, _Function | None, list[Any]]:
        """The form's two functions of the user's operands."""
        texts = dict(part.bindings)
        keywords = [name for name in form.parameters if name in texts]

        def call(function: Callable[..., Any]) -> _Function:
            return lambda *args: function(_module(part.framework), **dict(zip(keywords, args, strict=True)))

        guard = None if form.guarded is None else call(form.guarded)
        return call(form.before), call(form.after), guard, [self._value(texts[name]) for name in keywords]

    def _written(self, part: Part) -> tuple[_Function, _Function, _Function | None, list[Any]]:
        """The two compared expressions as functions of the copies that they name."""
        if not any(part.compared):
            raise _NotRun("the operand was overwritten in place, and no copy of it was taken before")
        nodes = [self._expression(text) for text in (*part.compared, *filter(None, [part.guard]))]
        for node in nodes:
            reason = why_not_run(node, self.aliases, self.names)
            if reason is not None:
                raise _NotRun(reason)
        used = sorted({n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)} & set(self.samples))

        def call(node: ast.expr) -> _Function:
            return lambda *args: self._evaluate(node, {**self.names, **dict(zip(used, args, strict=True))})

        guard = call(nodes[2]) if part.guard else None
        return call(nodes[0]), call(nodes[1]), guard, [self.samples[name] for name in used]

    def _run_scaled(self, pair: _Pair, values: list[Any], needed: bool) -> None:
        """Where the original is non-finite nothing can be compared: compare on smaller operands of the same shapes.

        Args:
            needed: There must be a scale at which the original is finite.

        Raises:
            _Refuted: They differ, or there is no scale at which the original is finite.
        """
        gradient = pair.framework != "numpy"
        for tamed in _TAMED:
            smaller = [tamed(v) if _is_real(v, pair.framework) else v for v in values]
            if (
                evaluate(pair.before, smaller, pair.framework, gradient=gradient).is_finite()
                and (pair.compare(smaller, gradient)[1])
            ):
                return
        if not needed:
            return
        raise _Refuted("the original is not finite at any scale of its operands, so there is nothing to compare with")

    def _with_gradient(self, framework: Framework, values: list[Any]) -> bool:
        """Whether a gradient goes through these operands: torch's tensors say so, TensorFlow's may always be watched."""
        if framework != "torch":
            return self.gradient and framework == "tensorflow"
        return self.backward or any(getattr(sample, "requires_grad", False) for sample in values)

    def _value(self, text: str) -> Any:
        node = self._expression(text)
        reason = why_not_run(node, self.aliases, self.names)
        if reason is not None:
            raise _NotRun(reason)
        value = self._evaluate(node, self.names)
        if (
            calls_layer(node, self.names)
            and not evaluate(lambda: value, (), self._framework, gradient=False).is_finite()
        ):
            raise _NotRun("the parameters of a layer that it calls have moved on")
        return value

    def _expression(self, text: str) -> ast.expr:
        """The syntax of an expression that was cut out of a statement: it may run over lines."""
        rebound, _ = self.proposal.rebound  # an expression of it has a copy of its old value
        return self.copies.renamed(ast.parse(f"({text}\n)", mode="eval").body, without={rebound} - {""})

    def _evaluate(self, node: ast.expr, names: Mapping[str, object]) -> Any:
        code = compile(ast.fix_missing_locations(ast.Expression(node)), "<numguard>", "eval")
        return eval(code, {"__builtins__": BUILTINS}, dict(names))

    def _same_as_user(self, part: Part, before: Outcome, framework: Framework) -> None:
        """The user's own text on the copies gives what the pattern gives on the matched operands."""
        if not part.same:
            return
        node = self._expression(part.same)
        if why_not_run(node, self.aliases, self.names) is not None:
            return  # an intermediate variable has no copy; the operands still prove the rewrite
        theirs = evaluate(lambda: self._evaluate(node, self.names), (), framework, gradient=False)
        import numpy

        both = numpy.isfinite(theirs.value) & numpy.isfinite(before.value) if (
            theirs.value.shape == before.value.shape
        ) else None  # fmt: skip
        if both is None or not numpy.allclose(theirs.value[both], before.value[both], rtol=1e-2, atol=1e-6):
            raise _NotRun("a variable was changed between the statements, so the copies do not belong together")

    def _run_statement(self) -> bool:
        """Run the whole rewritten statement; False where it holds what is not run."""
        value = _single_value(self.proposal.source)
        node = self.copies.renamed(value, without=self.rebound.keys()) if value is not None else None
        if node is None or why_not_run(node, self.aliases, self.names) is not None:
            return False
        framework = self.proposal.parts[0].framework
        used = sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & set(self.samples))
        values = [self.rebound.get(name, self.samples[name]) for name in used]

        def statement(*args: Any) -> Any:
            result = self._evaluate(node, {**self.names, **dict(zip(used, args, strict=True))})
            if not isinstance(result, (tuple, float, int)) and not is_tensor(result, framework):
                raise _NoTensor  # it makes a layer, say
            return result

        try:
            outcome = evaluate(statement, values, framework, gradient=self._with_gradient(framework, values))
        except _NoTensor:
            return False
        if not outcome.is_finite():
            raise _Refuted("the whole statement is not finite after the rewrite")
        return True


@dataclass(frozen=True, slots=True)
class _Pair:
    """The original and the rewritten expression as functions of the same operands; `guard` marks where they may differ."""

    before: _Function
    after: _Function
    guard: _Function | None
    framework: Framework
    rtol: float

    def compare(self, values: list[Any], gradient: bool) -> tuple[float, int, int]:
        """As `compare`, on these operands.

        Raises:
            _Refuted: They differ.
        """
        run = [evaluate(f, values, self.framework, gradient=gradient) for f in (self.before, self.after)]
        guarded = None
        if self.guard is not None:
            guarded = evaluate(self.guard, values, self.framework, gradient=False).value
        try:
            return compare(run[0], run[1], guarded, self.rtol)
        except _Refuted:
            picked = self._finite_only(run[0]) if gradient and guarded is None else None
            if picked is None:
                raise
            # An element that is not finite puts a 0 or an Inf of its own into gradients that others share with it.
            picked.compare(values, gradient)
            return compare(Outcome(run[0].value, ()), Outcome(run[1].value, ()), guarded, self.rtol)

    def _finite_only(self, before: Outcome) -> _Pair | None:
        """The two functions of what of their result the original has finite; None where that is all, or nothing."""
        import sys

        import numpy

        at = numpy.flatnonzero(numpy.isfinite(before.value))
        if not 0 < len(at) < before.value.size:
            return None

        def picked(function: _Function) -> _Function:
            def pick(*args: Any) -> Any:
                result = function(*args)
                if self.framework == "torch":
                    return result.reshape(-1)[at.tolist()]
                tf = sys.modules["tensorflow"]
                return tf.gather(tf.reshape(result, [-1]), at)

            return pick

        return _Pair(picked(self.before), picked(self.after), None, self.framework, self.rtol)


def _normalised(value: Any) -> Any:
    """Over its largest magnitude."""
    import numpy

    alone = value.detach() if hasattr(value, "detach") else value
    return value / max(float(numpy.max(numpy.abs(numpy.asarray(alone)), initial=0.0)), 1e-30)


def _rooted(value: Any) -> Any:
    """The magnitudes nearer to 1, the signs as they are."""
    return abs(value) ** 2.0**-10 * (value / (abs(value) + 1e-30))


# Smaller makes an exponential finite; a product of many needs factors near 1.
_TAMED: tuple[Callable[[Any], Any], ...] = (
    *(partial(mul, scale) for scale in (0.25, 2.0**-6, 2.0**-12, 2.0**-40)),
    _normalised,
    _rooted,
)


def _is_operand(value: object, framework: Framework) -> bool:
    """A tensor of the framework; numpy takes Python's numbers as well."""
    return is_tensor(value, framework) or (framework == "numpy" and type(value) in (float, int))


def _is_real(value: object, framework: Framework) -> bool:
    return is_float_tensor(value, framework) or (framework == "numpy" and type(value) is float)


def _module(framework: Framework) -> Any:
    import sys

    return sys.modules[framework]


def _single_value(source: str) -> ast.expr | None:
    """The expression that a one-statement source computes."""
    parsed = parse(source)
    if parsed is None or len(parsed.body) != 1:
        return None
    statement = parsed.body[0]
    return getattr(statement, "value", None) if isinstance(
        statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return | ast.Expr
    ) else None  # fmt: skip


def compare(before: Outcome, after: Outcome, guarded: Any, rtol: float = _RTOL) -> tuple[float, int, int]:
    """(largest relative difference, elements compared, elements) of values; gradients must agree as well.

    Raises:
        _Refuted: They differ on an element outside the guarded neighbourhood.
    """
    import numpy

    largest, compared, size = 0.0, 0, int(before.value.size)
    pairs = [("value", before.value, after.value)]
    pairs += [
        ("gradient", b, a)
        for b, a in zip(before.gradients, after.gradients, strict=True)
        if b is not None and a is not None
    ]
    for what, b, a in pairs:
        if a.shape != b.shape:
            raise _Refuted(f"its {what} has shape {list(a.shape)}, the original's has {list(b.shape)}")
        mask = numpy.isfinite(b)
        if guarded is not None and guarded.shape == b.shape:
            mask &= ~guarded.astype(bool)
        if not mask.any():
            continue
        scale = float(numpy.abs(b[mask]).max())
        atol = (1e-9 if rtol <= _RTOL else rtol) * scale  # a sum of rounded numbers is as exact as its largest term
        difference = numpy.abs(a[mask] - b[mask])
        if not bool((difference <= rtol * numpy.abs(b[mask]) + atol).all()):
            raise _Refuted(f"its {what} differs from the original's where that is finite")
        relative = float((difference / numpy.maximum(numpy.abs(b[mask]), 1e-9 * scale + 1e-300)).max())
        if what == "value":
            compared = int(mask.sum())
        largest = max(largest, relative if relative > 1e-15 else 0.0)
    return largest, compared, size


__all__ = ["compare", "verifier"]
