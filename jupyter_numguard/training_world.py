"""Which statements of a training cell may be run again on copies: what `closed_world.py` allows, and what training needs.

Beside that: classes of layers that the user defined, `@tf.function`, random numbers (the generators are put back to where
the cell began, and afterwards to where they were), layers and optimizers that are made anew.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from .closed_world import Judged, Reader, RefusedError
from .terms import full_name

# Functions and methods that draw from a generator, or set it; last names.
_DRAWS = frozenset(
    """
    manual_seed seed randn rand randint randperm normal bernoulli multinomial randn_like rand_like random uniform integers
    permutation shuffle choice standard_normal exponential default_rng RandomState normal_ uniform_ dropout dropout2d
    xavier_uniform_ xavier_normal_ kaiming_uniform_ kaiming_normal_ zeros_ ones_ constant_ orthogonal_ trunc_normal_ eye_
    """.split()
)
_DRAWING_MODULES = ("torch.", "numpy.random.", "random.")
_MADE = ("torch.nn.", "torch.optim.", "tensorflow.keras.optimizers.", "keras.optimizers.", "keras.src.optimizers.")
_LOADERS = frozenset(
    "torch.utils.data.DataLoader torch.utils.data.TensorDataset torch.utils.data.dataloader.DataLoader "
    "torch.utils.data.dataset.TensorDataset".split()
)
_METHODS = frozenset(
    "train eval apply_gradients apply to double float state_dict add_module children register_buffer weight bias".split()
)
# Memory that nothing wrote to: the run that changes nothing tells whether what it held mattered.
_UNWRITTEN = frozenset("numpy.empty numpy.empty_like torch.empty torch.empty_like".split())
_WORKERS = frozenset("num_workers worker_init_fn persistent_workers collate_fn".split())
_WITH_EFFECT = frozenset("save dump tofile share_memory_ to_csv".split())  # whatever a user calls a layer of his own


class _TrainingReader(Reader):
    """Judges a statement of a training cell.

    `own` are the attributes of the user's layers: of the copies that the statement works on.
    """

    def __init__(self, libraries: Mapping[str, tuple[str, object]], own: frozenset[str]) -> None:
        super().__init__(libraries)
        self._own = own - _WITH_EFFECT

    def visit(self, node: ast.AST, local: frozenset[str]) -> None:
        if isinstance(node, ast.ClassDef):
            self._class(node, local)
        elif isinstance(node, ast.Expr) and _is_print(node.value):
            return  # it is left out (`closed_world.Plain`), with all that it would have computed
        elif isinstance(node, ast.Call) and any(k.arg in _WORKERS for k in node.keywords):
            raise RefusedError("its loader has workers or functions of its own")
        else:
            super().visit(node, local)

    def _class(self, node: ast.ClassDef, local: frozenset[str]) -> None:
        if node.decorator_list or node.keywords:
            raise RefusedError("its class has a decorator or a metaclass")
        for base in node.bases:
            if full_name(base, self._modules) not in ("torch.nn.Module", "torch.nn.modules.module.Module"):
                raise RefusedError(f"its class is a `{ast.unparse(base)}`")
            self._load_root(base)
        self._name(node.name, ast.Store(), local)
        own, self._own = self._own, self._own | own_names(node)
        try:
            for member in node.body:
                if isinstance(member, ast.Expr | ast.Assign | ast.AnnAssign) and isinstance(member.value, ast.Constant):
                    continue  # a docstring, a number of the class
                if not isinstance(member, ast.FunctionDef) or (
                    member.name.startswith("__") and member.name != "__init__"
                ):
                    raise RefusedError("its class holds more than methods")
                if member.decorator_list:
                    raise RefusedError("its class has methods with decorators")
                self._inside(member.args, member.body, local | {"super"})
        finally:
            self._own = own

    def _load_root(self, node: ast.expr) -> None:
        while isinstance(node, ast.Attribute):
            node = node.value
        if isinstance(node, ast.Name):
            self.loads.add(node.id)

    def _attribute(self, node: ast.Attribute, local: frozenset[str]) -> None:
        dotted = full_name(node, self._modules)
        if (
            dotted is not None
            and isinstance(node.ctx, ast.Load)
            and is_made_or_drawn(dotted)
            and not self._is_users(node)
        ):
            self._load_root(node)
            return
        is_super = (
            isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super" and node.attr == "__init__"
        )
        is_known = isinstance(node.ctx, ast.Load) and node.attr in (*_DRAWS, *_METHODS)
        if (node.attr in self._own or is_super or is_known) and not self._is_library(node, local):
            self.visit(node.value, local)
            return
        super()._attribute(node, local)

    def _is_library(self, node: ast.expr, local: frozenset[str]) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in self._modules and node.id not in local

    def _function(self, node: ast.FunctionDef, local: frozenset[str]) -> None:
        if all(full_name(_called(d), self._modules) == "tensorflow.function" for d in node.decorator_list):
            node = ast.FunctionDef(**{**{f: getattr(node, f) for f in node._fields}, "decorator_list": []})
        super()._function(node, local)


def is_made_or_drawn(dotted: str) -> bool:
    """Whether a library's function of this full name makes a layer, an optimizer or memory, or draws random numbers."""
    last = dotted.rsplit(".", 1)[-1]
    if dotted.startswith(_DRAWING_MODULES) and last in _DRAWS:
        return True
    return dotted in _LOADERS or dotted in _UNWRITTEN or (dotted.startswith(_MADE) and last[:1].isupper())


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _is_print(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"


def own_names(node: ast.ClassDef) -> frozenset[str]:
    """What the methods of a class set on `self`, the methods themselves, and the numbers of the class."""
    stored = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    stored |= {n.name for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")}
    plain = [n for n in node.body if isinstance(n, ast.Assign | ast.AnnAssign)]
    return frozenset(
        stored | {n.id for p in plain for n in ast.walk(p) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    )


def judge_training(node: ast.stmt, libraries: Mapping[str, tuple[str, object]], own: frozenset[str]) -> Judged:
    """As `closed_world.judge`, for a statement of a training cell.

    Raises:
        RefusedError: It may do more than compute, draw and train.
    """
    reader = _TrainingReader(libraries, own)
    reader.visit(node, frozenset())
    return Judged(frozenset(reader.loads), frozenset(reader.binds))
