"""What a call of the user's own model ends in: `policy(state)` is a softmax where the `forward` of its class returns one.

Read from the source that made the model (`nn.Sequential(…, nn.Softmax(dim=1))`, a class and its `forward` or `call`); nothing
is executed. Where what goes into the activation can be written in the caller's names (`policy.head(state)`, `net[:-1](x)`), the
term has it as its argument; else it has none, and no rewrite matches it.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from .inline import inlined
from .terms import OPAQUE, Term, full_name, layer_call, term_of

_SATURATING = frozenset({"softmax", "sigmoid"})
_METHODS = ("forward", "call", "__call__")
# A second call of these is another value, or counts the batch twice.
_DRAWS = re.compile(r"drop|batch_?norm|noise", re.IGNORECASE)
_MAX_TEXT = 120  # a longer expression is no line that somebody would write
_MAX_DEPTH = 4
_Node = TypeVar("_Node", bound=ast.expr)


@dataclass(frozen=True, slots=True)
class Makers:
    """How the source that is known answers.

    Attributes:
        made: The call that made what a plain name is, None if that is not plain.
        class_named: The class of a name.
        class_around: The class in whose method the statement stands that calls.
    """

    made: Callable[[str], ast.Call | None]
    class_named: Callable[[str], ast.ClassDef | None]
    class_around: ast.ClassDef | None


def activation(call: ast.Call, makers: Makers, aliases: Mapping[str, str], home: int, depth: int = 0) -> Term | None:
    """The call as a softmax or sigmoid term; None of every other call."""
    maker = maker_of(call.func, makers)
    if maker is None or depth > _MAX_DEPTH:
        return None
    found = _of_layer(call, _marked(maker), aliases, home)
    cls = makers.class_named(maker.func.id) if isinstance(maker.func, ast.Name) else None
    if found is None and cls is not None:
        found = _of_class(call, cls, makers, aliases, home, depth)
    if found is None or found.op not in _SATURATING:
        return None
    x = found.argument("x")
    draws = any(_DRAWS.search(ast.unparse(source)) for source in (maker, cls) if source is not None)
    reachable = x is not None and len(ast.unparse(x.node)) <= _MAX_TEXT and not draws
    return Term(found.op, found.arguments if reachable else (), call, home, found.framework)


def maker_of(function: ast.expr, makers: Makers) -> ast.Call | None:
    """The call that made what is called: `Policy()` for `policy`, `nn.Softmax(dim=1)` for `policy.act`."""
    match function:
        case ast.Name(id=name):
            return makers.made(name)
        case ast.Attribute(value=ast.Name(id="self"), attr=attribute) if makers.class_around is not None:
            return _attribute(makers.class_around, attribute)
        case ast.Attribute(value=owner, attr=attribute):
            maker = maker_of(owner, makers)
            cls = makers.class_named(maker.func.id) if maker and isinstance(maker.func, ast.Name) else None
            return _attribute(cls, attribute) if cls is not None else None
    return None


def _attribute(cls: ast.ClassDef, attribute: str) -> ast.Call | None:
    """The one call that the class binds to `self.<attribute>`."""
    found = [
        node.value
        for node in ast.walk(cls)
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Attribute) and t.attr == attribute and _is_self(t.value) for t in node.targets)
    ]
    return found[0] if len(found) == 1 and isinstance(found[0], ast.Call) else None


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _of_layer(call: ast.Call, maker: ast.Call, aliases: Mapping[str, str], home: int) -> Term | None:
    """Of a layer, or of a sequence of layers by its last one."""
    name = full_name(maker.func, aliases) or ""
    last = name.rsplit(".", 1)[-1]
    if last != "Sequential":
        named = next((k.value for k in maker.keywords if k.arg == "activation"), None)
        if name.startswith("tensorflow.keras.layers.") and isinstance(named, ast.Constant):
            return Term(str(named.value), (), call, home, "tensorflow")
        return layer_call(call, (maker, home), aliases, home)
    layers = maker.args[0].elts if maker.args and isinstance(maker.args[0], ast.List) else maker.args
    if not layers or not isinstance(layers[-1], ast.Call):
        return None
    before: ast.expr = call
    if name.startswith("torch."):
        before = _marked(
            ast.parse(f"{ast.unparse(call.func)}[:-1]({', '.join(map(ast.unparse, call.args))})", mode="eval").body
        )
    found = _of_layer(ast.Call(layers[-1], [before], []), layers[-1], aliases, home)
    return found if found is None or before is not call else Term(found.op, (), call, home, found.framework)


def _of_class(
    call: ast.Call, cls: ast.ClassDef, makers: Makers, aliases: Mapping[str, str], home: int, depth: int
) -> Term | None:
    """Of a class by what its method returns, written in the caller's names."""
    methods = {s.name: s for s in cls.body if isinstance(s, ast.FunctionDef)}
    method = next((methods[name] for name in _METHODS if name in methods), None)
    if method is None:
        return None
    body = inlined(ast.Call(call.func, [call.func, *call.args], call.keywords), method)
    if body is None:
        return _of_return(method, cls, makers, aliases, home)
    return _meant(body, makers, aliases, home, depth)


def _meant(body: ast.expr, makers: Makers, aliases: Mapping[str, str], home: int, depth: int) -> Term | None:
    term = term_of(body, aliases, home)
    if term.op == OPAQUE and isinstance(body, ast.Call):
        inner = activation(body, makers, aliases, home, depth + 1)
        if inner is not None:
            return inner
        if isinstance(body.func, ast.Attribute) and body.func.attr in ("squeeze", "flatten", "view", "reshape"):
            inner = _meant(body.func.value, makers, aliases, home, depth + 1)
            x = inner.argument("x") if inner is not None and inner.op == "sigmoid" else None
            if inner is None or inner.op != "sigmoid" or x is None:
                return inner
            # element by element: the logits may be rearranged as well
            moved = _marked(ast.Call(ast.Attribute(x.node, body.func.attr, ast.Load()), body.args, body.keywords))
            return Term("sigmoid", (("x", Term(OPAQUE, (), moved, home)),), body, home, inner.framework)
    return term


def _of_return(
    method: ast.FunctionDef, cls: ast.ClassDef, makers: Makers, aliases: Mapping[str, str], home: int
) -> Term | None:
    """Of a method with branches or loops by its one `return`: which activation, not of what."""
    returns = [n.value for n in ast.walk(method) if isinstance(n, ast.Return)]
    value = returns[0] if len(returns) == 1 else None
    if isinstance(value, ast.Name):
        bound = [
            n.value
            for n in ast.walk(method)
            if isinstance(n, ast.Assign) and any(isinstance(t, ast.Name) and t.id == value.id for t in n.targets)
        ]
        value = bound[-1] if bound else None
    inside = Makers(makers.made, makers.class_named, cls)
    found = _meant(value, inside, aliases, home, 0) if value is not None else None
    return None if found is None else Term(found.op, (), found.node, home, found.framework)


def _marked(node: _Node) -> _Node:
    """A copy that `inline.is_made` knows: it stands nowhere in the caller's source."""
    node = copy.deepcopy(node)
    for child in ast.walk(node):
        child.numguard_made = True  # type: ignore[attr-defined]
    return node
