"""Which statements of the user may be run a second time on private copies: those that only compute.

What makes it safe is that a repeated statement lives in a closed world. Every value in it is a copy (`twins.py`), a number or
text, or made from these by what is listed here; so whatever it writes to, in place or by `out=`, is nobody's but ours. What is
not listed is not run: random numbers, input and output, attributes that may be properties, functions of other modules.
Functions that the user defined in a cell are defined a second time in that world, and judged as every statement is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType

from .frames import is_user_code
from .purity import COMPUTES, PURE
from .spellings import ROOTS, functions
from .terms import full_name


class RefusedError(Exception):
    """A statement is not run again; the text says why, in a few words."""


BUILTINS: dict[str, object] = {
    f.__name__: f
    for f in (
        abs, all, any, bool, complex, dict, divmod, enumerate, float, int, isinstance, len, list, max, min, pow, range, reversed,
        round, set, sorted, str, sum, tuple, zip,
    )
}  # fmt: skip
"""Python's own functions that a repeated statement gets; `print` is left out of it (see `_Plain`)."""

# Methods with an effect on their object or its graph only: a copy, here.
_CHANGES = frozenset(
    """
    backward step zero_grad item tolist numpy clone cpu requires_grad_ retain_grad gradient jacobian watch assign
    assign_add assign_sub append extend insert pop keys values items get setdefault update parameters named_parameters format
    join zero_ fill_ copy_ detach_ astype is_floating_point grad stop_recording
    """.split()
)
_MAKES = frozenset({  # objects that are made from their arguments alone, without random numbers
    *(f"torch.optim.{name}" for name in "SGD Adam AdamW RMSprop Adagrad Adadelta Adamax NAdam RAdam Rprop ASGD".split()),
    *(f"torch.nn.{name}" for name in
      "Parameter MSELoss L1Loss SmoothL1Loss HuberLoss CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss KLDivLoss CTCLoss ReLU "
      "GELU SiLU ELU LeakyReLU Tanh Sigmoid LogSigmoid Softplus Softmax LogSoftmax LayerNorm GroupNorm RMSNorm Identity "
      "Flatten Sequential ParameterList GaussianNLLLoss PoissonNLLLoss CosineSimilarity PairwiseDistance".split()),
    "tensorflow.Variable", "torch.autograd.grad", "torch.nn.utils.clip_grad_norm_", "torch.nn.utils.clip_grad_value_",
})  # fmt: skip
_CONTEXTS = frozenset(
    "torch.no_grad torch.enable_grad torch.set_grad_enabled torch.inference_mode torch.autocast torch.amp.autocast "
    "tensorflow.GradientTape numpy.errstate".split()
)
_ATTRIBUTES = frozenset(
    "T mT H shape dtype ndim size eps tiny max min nn functional values indices real imag grad data requires_grad device is_leaf "
    "itemsize nbytes is_cuda value".split()
)
_CONSTANTS = frozenset(
    "pi e inf nan newaxis float16 float32 float64 bfloat16 half float double int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "bool bool_ long int short complex64 complex128 eps tiny max min".split()
)
_MODULES = frozenset({"functional", "nn", "linalg", "math", "special", "ops", "autograd"})  # `F = torch.nn.functional`
_STORED = frozenset({"grad", "data", "requires_grad"})
_LIBRARIES = (*ROOTS, "math")
_UNSEEN = frozenset(
    {"random", "io", "data", "utils", "distributed", "multiprocessing", "initializers", "layers", "compat"}
)
_PLAIN_NODES = (
    ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Dict,
    ast.Set, ast.IfExp, ast.keyword, ast.Starred, ast.JoinedStr, ast.FormattedValue, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop, ast.expr_context, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.If, ast.For, ast.While, ast.Break,
    ast.Continue, ast.Pass, ast.Return, ast.Assert, ast.Delete, ast.Call, ast.arguments, ast.arg,
)  # fmt: skip


def is_pure_function(dotted: str) -> bool:
    """Whether a library's function of this full name only computes, or makes an object of its arguments alone."""
    root, *middle, last = dotted.split(".") if "." in dotted else (dotted, "")
    if root not in _LIBRARIES or (not _UNSEEN.isdisjoint(middle) and dotted not in _MAKES):
        return False
    return root == "math" or dotted in functions() or dotted in _MAKES or last in PURE or last in COMPUTES


def _is_method(name: str) -> bool:
    if name in _CHANGES or name in PURE or name in COMPUTES or f".{name}" in functions():
        return True
    return name.endswith("_") and not name.startswith("_") and _is_method(name[:-1])  # in place, on a copy


@dataclass(frozen=True, slots=True)
class Judged:
    """What a statement that may be run again needs: names of its world, those that it binds itself perhaps among them."""

    loads: frozenset[str]
    binds: frozenset[str]


def judge(node: ast.stmt, libraries: Mapping[str, tuple[str, object]]) -> Judged:
    """What the statement needs.

    Args:
        libraries: The user's names for modules and library functions -> (full dotted name, object).

    Raises:
        RefusedError: It may do more than compute.
    """
    reader = Reader(libraries)
    reader.visit(node, frozenset())
    return Judged(frozenset(reader.loads), frozenset(reader.binds))


class Reader:
    """Walks a statement and refuses what may do more than compute."""

    def __init__(self, libraries: Mapping[str, tuple[str, object]]) -> None:
        self.loads: set[str] = set()
        self.binds: set[str] = set()
        self._modules = {name: dotted for name, (dotted, _) in libraries.items()}
        self._libraries = libraries

    def visit(self, node: ast.AST, local: frozenset[str]) -> None:
        """Judge a node; `local` are the names of the functions and comprehensions around it."""
        match node:
            case ast.Name(id=name):
                self._name(name, node.ctx, local)
            case ast.Attribute():
                self._attribute(node, local)
            case ast.FunctionDef():
                self._function(node, local)
            case ast.Lambda(args=args, body=body):
                self._inside(args, [body], local)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node, local)
            case ast.With(items=items, body=body):
                for item in items:
                    self._context(item, local)
                self._all(body, local)
            case _ if isinstance(node, _PLAIN_NODES):
                self._all(ast.iter_child_nodes(node), local)
            case _:
                raise RefusedError(f"it holds {type(node).__name__}")

    def _all(self, nodes: Iterable[ast.AST], local: frozenset[str]) -> None:
        for node in nodes:
            self.visit(node, local)

    def _name(self, name: str, context: ast.expr_context, local: frozenset[str]) -> None:
        if name.startswith("__"):
            raise RefusedError(f"`{name}` is private")
        if name not in local:
            (self.loads if isinstance(context, ast.Load) else self.binds).add(name)

    def _attribute(self, node: ast.Attribute, local: frozenset[str]) -> None:
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            root = root.value
        is_library = isinstance(root, ast.Name) and root.id in self._modules and root.id not in local
        dotted = full_name(node, self._modules) if is_library else None
        if dotted is not None:
            last = dotted.rsplit(".", 1)[-1]
            is_known = is_pure_function(dotted) or last in _CONSTANTS or last in _MODULES
            if not isinstance(node.ctx, ast.Load) or not is_known or self._is_users(node):
                raise RefusedError(f"`{ast.unparse(node)}` may do more than compute")
            assert isinstance(root, ast.Name)
            self.loads.add(root.id)
            return
        if not isinstance(node.ctx, ast.Load):
            if node.attr not in _STORED:
                raise RefusedError(f"it sets `{ast.unparse(node)}`")
        elif node.attr not in _ATTRIBUTES and not _is_method(node.attr):
            raise RefusedError(f"`{ast.unparse(node)}` may do more than compute")
        self.visit(node.value, local)

    def _is_users(self, node: ast.expr) -> bool:
        """Whether the user put code of their own in the place of a library's function."""
        if isinstance(node, ast.Name):
            return False
        owner = self._object(node.value) if isinstance(node, ast.Attribute) else None
        found = (
            vars(owner).get(node.attr) if isinstance(owner, ModuleType) and isinstance(node, ast.Attribute) else None
        )
        return isinstance(found, FunctionType) and is_user_code(found.__code__)

    def _object(self, node: ast.expr) -> object:
        """The module that a chain of names leads to; nothing is loaded to find out."""
        if isinstance(node, ast.Name):
            return self._libraries[node.id][1]
        owner = self._object(node.value) if isinstance(node, ast.Attribute) else None
        return vars(owner).get(node.attr) if isinstance(owner, ModuleType) and isinstance(node, ast.Attribute) else None

    def _context(self, item: ast.withitem, local: frozenset[str]) -> None:
        call = item.context_expr
        dotted = full_name(call.func, self._modules) if isinstance(call, ast.Call) else None
        if not isinstance(call, ast.Call) or dotted not in _CONTEXTS:
            raise RefusedError(f"`with {ast.unparse(item.context_expr)}` may do more than compute")
        root: ast.expr = call.func
        while isinstance(root, ast.Attribute):
            root = root.value
        self.visit(root, local)
        self._all([*call.args, *call.keywords], local)
        if item.optional_vars is not None:
            self.visit(item.optional_vars, local)

    def _function(self, node: ast.FunctionDef, local: frozenset[str]) -> None:
        if node.decorator_list:
            raise RefusedError("it has a decorator")
        self._name(node.name, ast.Store(), local)
        self._inside(node.args, node.body, local)

    def _inside(self, args: ast.arguments, body: Iterable[ast.AST], local: frozenset[str]) -> None:
        own = {
            a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg) if a is not None
        }
        body = list(body)
        for inner in (n for b in body for n in ast.walk(b)):
            if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
                own.add(inner.id)
            elif isinstance(inner, ast.FunctionDef):
                own.add(inner.name)
        self._all([*args.defaults, *(d for d in args.kw_defaults if d is not None)], local)
        self._all(body, local | own)

    def _comprehension(self, node: ast.AST, local: frozenset[str]) -> None:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        own = {n.id for g in generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        inner = local | own
        for g in generators:
            if g.is_async:
                raise RefusedError("it is asynchronous")
            self._all([g.iter, g.target, *g.ifs], inner)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]  # type: ignore[attr-defined]
        self._all(parts, inner)


class Plain(ast.NodeTransformer):
    """A judged statement as it is run: nothing is printed, and loops and functions ask first whether there is time left."""

    TICK = "__numguard_tick__"

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A `print` is left out; its arguments were judged and bind nothing."""
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print":
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def _ticking(self, node: ast.For | ast.While | ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        tick = ast.Expr(ast.Call(ast.Name(self.TICK, ast.Load()), [], []))
        node.body.insert(0, ast.fix_missing_locations(ast.copy_location(tick, node.body[0])))
        return node

    visit_For = visit_While = visit_FunctionDef = _ticking
