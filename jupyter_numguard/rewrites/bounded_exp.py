"""bounded_exp: exp overflows above 88.7 in float32; with its argument bounded it stays finite (a log-variance, say).

Where the same value goes into other exponentials as well (of a log-variance: the sample and the KL term), it is bounded where it
is made. What the result is multiplied with is seldom known to the end: where it leaves the function, the bound is low.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from jupyter_numguard.change import Change, compared
from jupyter_numguard.handed import made_of, parsed_cell
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import CallingScope, Framework, SourceStatement
from jupyter_numguard.terms import Term, overwriting, parse, targets

FIXES = {"NG203", "NG204"}
SAME_MATHEMATICS = False
GENERAL = True  # a formula that needs no bound comes first
NEIGHBOURHOOD = "where the argument is above the bound"
EXAMPLES = {
    "torch": ("y = torch.exp(big)", "y = big.exp() * 2"),
    "tensorflow": ("y = tf.exp(big)",),
    "numpy": ("y = np.exp(big)",),
}
_BOUNDS = (80, 20, 10)  # of what is squared or divides, exp(20) is enough; of what is summed and squared again, exp(10)
_CLAMPED: dict[Framework, tuple[str, str]] = {
    "torch": ("torch.clamp", "{}({}, max={}.0)"),
    "tensorflow": ("tensorflow.minimum", "{}({}, {}.0)"),
    "numpy": ("numpy.minimum", "{}({}, {}.0)"),
}
_EITHER: dict[Framework, tuple[str, str]] = {
    "torch": ("torch.clamp", "-{0}.0, {0}.0"),
    "tensorflow": ("tensorflow.clip_by_value", "-{0}.0, {0}.0"),
    "numpy": ("numpy.clip", "-{0}.0, {0}.0"),
}
_RATIO = re.compile(r"log(1p|2|10|_softmax)?|softmax|normali[sz]e")


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The argument of the failing exponential, or the statement that makes the value in it."""
    name, form = _CLAMPED[framework]
    function = reader.spelled(name)
    for guilty in reader.guilty():
        x = guilty.argument("x")
        if overwriting(guilty.node) is not None:
            continue  # it is no value that could be bounded on the way
        if function is None or guilty.op != "exp" or x is None or _is_in_ratio(reader, guilty):
            continue
        yield from _where_it_is_made(reader, guilty, x, function, framework)
        either = reader.spelled(_EITHER[framework][0]) if _is_divisor(reader, guilty) else None
        for bound in _BOUNDS[either is not None or _leaves(reader) :]:
            after, beyond = form.format(function, reader.text(x), bound), f"({reader.text(x)}) > {bound}"
            where = f"where the argument is above {bound}"
            if either is not None:
                after = f"{either}({reader.text(x)}, {_EITHER[framework][1].format(bound)})"
                beyond, where = f"abs({reader.text(x)}) > {bound}", f"where the argument is beyond {bound} or -{bound}"
            pair = compared(reader, guilty.node, guilty.home, x.node, ast.parse(after, mode="eval").body)
            yield Change(guilty.home, x.node, after, pair, framework, beyond, where=where)


def _where_it_is_made(reader: Reader, guilty: Term, x: Term, function: str, framework: Framework) -> Iterator[Change]:
    """The statement that makes the only variable in the argument, if other exponentials are taken of it.

    Where one of them divides, the value is bounded from below as well: exp(-200) is 0.
    """
    names = {n.id for n in ast.walk(x.node) if isinstance(n, ast.Name)} - reader.aliases.keys()
    made = made_of(reader, next(iter(names))) if len(names) == 1 else None
    others = [] if made is None else _others(reader, guilty, made.names)
    if made is None or not others:
        return
    (name,) = names
    covers = tuple(p.code for p in reader.path.others if any(_exponentials(p.code, made.names)))
    alike = [re.sub(rf"\b({'|'.join(map(re.escape, sorted(made.names)))})\b", name, other) for other in others]
    known = [ast.unparse(guilty.node), *(text for text in alike if _names(text) <= {name, *reader.aliases})]
    before = " + ".join(dict.fromkeys(known))
    low = any(_divides(text, made.names) for text in (*_texts(reader), *known))
    for bound in _BOUNDS[1:]:
        rest = (
            f", {_EITHER[framework][1].format(bound)})"
            if low
            else f", {'max=' if framework == 'torch' else ''}{bound}.0)"
        )
        clamp = reader.spelled(_EITHER[framework][0]) if low else function
        text, bounded = made.with_value(f"{clamp}({{}}{rest}"), f"{clamp}({name}{rest}"
        if clamp is not None and text is not None:
            after = re.sub(rf"\b{re.escape(name)}\b", lambda _, b=bounded: b, before)  # type: ignore[misc]
            beyond = f"abs({name}) > {bound}" if low else f"{name} > {bound}"
            yield Change(
                guilty.home, guilty.node, ast.unparse(guilty.node), (before, after), framework, beyond,
                where=f"where `{made.name or name}` is {f'beyond {bound} or -{bound}' if low else f'above {bound}'}",
                instead=(made.statement, text), rebound=(name, bounded), covers=covers,
            )  # fmt: skip


def _others(reader: Reader, guilty: Term, names: frozenset[str]) -> list[str]:
    """Other exponentials of the value in the cells that are known, under any name that it was handed on by."""
    found = [ast.unparse(call) for text in _texts(reader) for call in _exponentials(text, names)]
    mine = ast.unparse(guilty.node)
    if mine in found:
        found.remove(mine)
    return list(dict.fromkeys(found))


def _texts(reader: Reader) -> list[str]:
    """The cells that are known, and the statements of others."""
    whole = dict.fromkeys([reader.path.source, *(c.source for c in reader.path.callers)])
    cells = "\n".join(whole)
    return [*whole, *(s.source for s in reader.sequence if s.source not in cells)]


def _divides(text: str, names: frozenset[str]) -> bool:
    """Whether an exponential of the value is a divisor somewhere, or one of its negative is taken."""
    parsed = parsed_cell(text)
    for node in (n for s in (parsed.body if parsed is not None else ()) for n in ast.walk(s)):
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and any(_exponentials(ast.unparse(node.right), names))
        ):
            return True
    return any(isinstance(n, ast.USub) for call in _exponentials(text, names) for n in ast.walk(call))


def _exponentials(text: str, names: frozenset[str]) -> Iterator[ast.Call]:
    """Calls of `exp` of nothing but the value and numbers: `torch.exp(2 * logvar)`, `logvar.exp()`."""
    parsed = parsed_cell(text)
    for node in (n for s in (parsed.body if parsed is not None else ()) for n in ast.walk(s)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "exp" and names & _names(ast.unparse(node)):
            yield node


def _names(text: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}


def _is_in_ratio(reader: Reader, guilty: Term) -> bool:
    """Whether the exponential is divided by something made of it, or its logarithm taken: a bound flattens what is compared."""
    made: set[str] = set()
    mine, alone = {id(guilty.node)}, _names_of_it(reader, guilty)
    for home in range(guilty.home, -1, -1):
        statement = reader.sequence[home]
        parsed = parse(statement.source)
        for node in (n for s in (parsed.body if parsed is not None else ()) for n in ast.walk(s)):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                is_number = isinstance(node.left, ast.Constant)  # over Inf it is 0, as it should be
                if _holds(node.right, mine, made) and (is_number or _holds(node.left, mine, made)):
                    return True
            elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
                if _holds(node.target, mine, made) and _holds(node.value, mine, made):
                    return True
            elif (
                isinstance(node, ast.Call)
                and _RATIO.fullmatch(ast.unparse(node.func).rsplit(".", 1)[-1])
                and any(_holds(part, mine, made) for part in ast.iter_child_nodes(node))
                and not (node.args and _is_it(node.args[0], mine, alone))  # log(exp(x)) compares nothing
            ):
                return True
        if parsed is not None and any(_holds(s, mine, made) for s in parsed.body):
            made |= targets(statement)
            made |= _written_to(statement)
    return bool(reader.path.callers) and _is_compared_by_caller(reader.path.callers[0])


def _names_of_it(reader: Reader, guilty: Term) -> set[str]:
    """The name that the statement gives the exponential itself."""
    parsed = parse(reader.sequence[guilty.home].source)
    plain = (
        s for s in (parsed.body if parsed is not None else ()) if isinstance(s, ast.Assign) and s.value is guilty.node
    )
    return {t.id for s in plain for t in s.targets if isinstance(t, ast.Name)}


def _is_it(node: ast.expr, mine: set[int], alone: set[str]) -> bool:
    return id(node) in mine or (isinstance(node, ast.Name) and node.id in alone)


def _is_divisor(reader: Reader, guilty: Term) -> bool:
    """Whether something is divided by the exponential itself: exp(-200) is 0."""
    mine, alone = {id(guilty.node)}, _names_of_it(reader, guilty)
    parsed = (parse(reader.sequence[home].source) for home in range(guilty.home, -1, -1))
    return any(
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _is_it(node.right, mine, alone)
        for tree in parsed
        for statement in (tree.body if tree is not None else ())
        for node in ast.walk(statement)
    )


def _is_compared_by_caller(scope: CallingScope) -> bool:
    """Whether what the function returned is a divisor there, or its logarithm taken."""
    names, parsed = targets(scope.call), parsed_cell(scope.source)
    for node in (n for s in (parsed.body if parsed is not None else ()) for n in ast.walk(s)):
        is_log = isinstance(node, ast.Call) and _RATIO.fullmatch(ast.unparse(node.func).rsplit(".", 1)[-1])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _holds(node.right, set(), set(names)):
            return True
        if is_log and any(_holds(part, set(), set(names)) for part in ast.iter_child_nodes(node)):
            return True
    return False


def _written_to(statement: SourceStatement) -> set[str]:
    """What an in-place method writes to: `total.index_add_(0, at, e)`."""
    return {
        n.func.value.id
        for s in getattr(parse(statement.source), "body", ())
        for n in ast.walk(s)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr.endswith("_")
        and isinstance(n.func.value, ast.Name)
    }  # fmt: skip


def _holds(node: ast.AST, mine: set[int], made: set[str]) -> bool:
    return any(id(n) in mine or (isinstance(n, ast.Name) and n.id in made) for n in ast.walk(node))


def _leaves(reader: Reader) -> bool:
    """Whether the result may be handed on by a function, to statements that are not known."""
    return reader.path.origin is not None and reader.path.origin.function is not None
