"""Which expressions of the user may be run again on copies: framework operations that only compute.

Everything else (functions of the user, layers, random operations, I/O, in-place methods) is never executed.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from .spellings import ROOTS, functions
from .terms import full_name

# Last names that only compute, in every framework that has them, as function and as method.
PURE = frozenset(
    """
    view reshape flatten ravel squeeze unsqueeze expand_dims expand expand_as broadcast_to transpose permute swapaxes t
    gather index_select select narrow take take_along_axis take_along_dim cat concat concatenate stack split chunk
    float double half bfloat16 cast astype type_as contiguous detach
    clamp clip clip_by_value maximum minimum relu softplus logsigmoid log_sigmoid logaddexp softmax logsumexp
    mean amax amin max min reduce_max reduce_min std var numel size dim
    matmul mm bmm dot einsum tensordot outer linear ones_like zeros_like full_like tensor constant ones zeros full finfo
    masked_fill where tril triu isfinite is_finite cross_entropy binary_cross_entropy_with_logits mse_loss
    reduce_all reduce_any all any isinf isnan is_inf is_nan xlogy entr logit hypot var_mean nansum
    ctc_loss divide_no_nan reciprocal_no_nan l2_normalize vector_norm layer_norm group_norm batch_norm batch_normalization
    LayerNorm GroupNorm RMSNorm arange shape_as_tensor logical_not logical_and logical_or equal not_equal isneginf isposinf
    nanmean nanmedian nan_to_num identity convert_to_tensor boolean_mask gather_nd one_hot complex size fill full repeat
    tile linspace eye diag trace float16 float32 float64 int32 int64 to long int new_tensor masked_select copy array
    asarray from_numpy entropy rel_entr expit kl_div nll_loss l1_loss smooth_l1_loss huber_loss max_pool2d
    cov corrcoef flip fliplr flipud logcumsumexp cumulative_logsumexp accumulate
    clone diagonal diagonal_scatter new_full new_zeros diag index_add scatter_add scatter_reduce scatter
    det logdet slogdet sin cos tan sinh cosh atan atan2 erf floor ceil round reduce normalize tiny
    pdf pmf cdf sf logpdf logpmf logcdf logsf
    """.split()
)
# Further ones: a whole statement may be run again with them, and numpy's are evaluated for operands. Of every framework.
COMPUTES = frozenset(
    """
    acos acosh asin asinh arccos arccosh arcsin arcsinh arctan arctan2 arctanh absolute add addcdiv addcmul addmm addmv baddbmm
    allclose isclose argmax argmin argsort sort topk atleast_1d atleast_2d cholesky column_stack conj corrcoef cosh count_nonzero
    cov cross cummax cummin cumprod cumsum diag_embed diagonal diff digitize dist exp2 erfc erfinv lgamma digamma flip fliplr
    flipud floor_divide fmod frac gelu elu selu celu silu swish leaky_relu hardtanh relu6 greater greater_equal less less_equal
    hstack vstack dstack index_add index_copy index_fill index_put scatter scatter_add scatter_nd inner inv inverse pinv solve
    solve_triangular lstsq qr svdvals eig eigvals eigvalsh det logdet slogdet matrix_norm kron lerp logcumsumexp logspace
    masked_scatter matrix_power meshgrid mish movedim multi_dot nanquantile quantile percentile negative nonzero pad
    pairwise_distance cdist cosine_similarity polyfit polyval prod ptp rad2deg deg2rad radians degrees remainder renorm
    repeat_interleave roll rot90 searchsorted segment_sum unsorted_segment_sum signbit sinc softmin softsign square std_mean
    subtract multiply divide power reduce_sum reduce_mean reduce_prod reduce_std reduce_variance reduce_logsumexp
    reduce_euclidean_norm tril_indices triu_indices true_divide trunc unbind unflatten unique unstack vander vdot
    view_as sparse_softmax_cross_entropy_with_logits softmax_cross_entropy_with_logits sigmoid_cross_entropy_with_logits moments
    binary_cross_entropy binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy mean_squared_error
    gaussian_nll_loss poisson_nll_loss triplet_margin_loss cosine_embedding_loss embedding linear conv1d conv2d conv3d avg_pool1d
    avg_pool2d max_pool1d instance_norm rms_norm rank shape ones_like new_zeros new_ones new_full bincount histogram
    interp fabs is_tensor clip_by_norm global_norm l2_normalize stop_gradient identity_n logaddexp2 nanprod nanstd
    nanvar nanmax nanmin cbrt log_loss fmax fmin heaviside isneginf nextafter sort median resize convolve correlate moveaxis
    take tri geomspace ediff1d
    """.split()
)
# Python's own functions that only compute; the run gives them to the expression.
BUILTINS = {"max": max, "min": min, "abs": abs, "float": float, "int": int, "len": len, "round": round}
_PLAIN_ATTRIBUTES = frozenset(
    {
        "T",
        "mT",
        "shape",
        "dtype",
        "ndim",
        "size",
        "eps",
        "tiny",
        "max",
        "min",
        "nn",
        "functional",
        "values",
        "real",
        "imag",
    }
)
# Layers of torch whose call computes from its operands and parameters alone: no state, no random numbers (see below).
_LAYERS = frozenset(
    """
    Linear Bilinear Conv1d Conv2d Conv3d Embedding LayerNorm GroupNorm RMSNorm Softmax LogSoftmax Sigmoid LogSigmoid Tanh
    ReLU LeakyReLU ELU GELU SiLU Softplus Flatten MultiheadAttention MSELoss L1Loss CrossEntropyLoss NLLLoss BCELoss
    BCEWithLogitsLoss KLDivLoss CTCLoss Identity
    """.split()
)
_KERAS_LAYERS = frozenset("Dense Conv1D Conv2D Embedding LayerNormalization Flatten ReLU LeakyReLU Softmax".split())
_MADE = frozenset({"LayerNorm", "GroupNorm", "RMSNorm", "Softmax", "LogSoftmax", "Sigmoid"})
_NODES = (
    ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.Slice, ast.Tuple, ast.List,
    ast.IfExp, ast.Attribute, ast.Call, ast.keyword, ast.operator, ast.unaryop, ast.cmpop, ast.expr_context,
)  # fmt: skip


def why_not_run(node: ast.expr, aliases: Mapping[str, str], names: Mapping[str, object]) -> str | None:
    """None if the expression may be run with these names; else the reason in a few words."""
    for child in ast.walk(node):
        if not isinstance(child, _NODES):
            return f"it holds {type(child).__name__}, which is not run"
        if isinstance(child, ast.Is | ast.IsNot):
            return "identity is not compared on copies"
        if isinstance(child, ast.Name) and child.id not in {*names, *aliases, *BUILTINS}:
            return f"no copy of `{child.id}` was taken"
        if isinstance(child, ast.Call) and not _is_pure(child.func, aliases, names):
            return f"`{ast.unparse(child.func)}` is not run: it may do more than compute"
        if isinstance(child, ast.Attribute) and child.attr.startswith("_"):
            return f"`{ast.unparse(child)}` is private"
    called = {id(part) for c in ast.walk(node) if isinstance(c, ast.Call) for part in _path_of(c.func, names)}
    for child in ast.walk(node):
        if (
            isinstance(child, ast.Attribute)
            and child.attr in ("weight", "bias")
            and is_pure_layer(_layer_in(child.value, names))
        ):
            called |= {id(part) for part in ast.walk(child)}
        if isinstance(child, ast.Attribute) and id(child) not in called and child.attr not in _PLAIN_ATTRIBUTES:
            name = full_name(child, aliases)
            if name is None or name.split(".")[0] not in (*ROOTS, "math"):
                return f"`{ast.unparse(child)}` is not run: it may do more than compute"
    return None


def only_computes(node: ast.expr, aliases: Mapping[str, str]) -> bool:
    """Whether all that an expression calls is known to compute and do nothing else."""
    return all(_is_pure(child.func, aliases, {}) for child in ast.walk(node) if isinstance(child, ast.Call))


def is_pure_layer(value: object) -> bool:
    """Whether calling this object of torch only computes: of a known class itself, no hooks, no dropout at work."""
    cls = type(value)
    if cls.__module__ == "torch.nn.modules.container" and cls.__name__ == "Sequential":
        layers: Any = value
        return not _has_hooks(value) and all(map(is_pure_layer, layers))
    if cls.__module__.startswith("keras.src.layers."):
        return cls.__name__ in _KERAS_LAYERS and bool(getattr(value, "built", False))
    if not cls.__module__.startswith("torch.nn.modules.") or cls.__name__ not in _LAYERS:
        return False
    dropout = getattr(value, "dropout", 0.0)
    return not _has_hooks(value) and (dropout == 0.0 or not getattr(value, "training", True))


def calls_layer(node: ast.expr, names: Mapping[str, object]) -> bool:
    """Whether an expression calls a layer that lives in the notebook: what it gives follows the parameters as they are now."""
    return any(isinstance(c, ast.Call) and is_pure_layer(_layer_in(c.func, names)) for c in ast.walk(node))


def _path_of(function: ast.expr, names: Mapping[str, object]) -> list[ast.AST]:
    """What is called, and of a layer the path that leads to it."""
    return list(ast.walk(function)) if is_pure_layer(_layer_in(function, names)) else [function]


def holds_layers(value: object) -> bool:
    """Whether an object is a module of torch or a layer of Keras; whether a layer in it may be called is asked when it is."""
    return any(cls.__module__.startswith(("torch.nn.", "keras.")) for cls in type(value).__mro__)


def _layer_in(node: ast.expr, names: Mapping[str, object]) -> object:
    """The layer that `net.body` names, and of `net[:-1]` the sequence that it is a part of; None of anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Subscript):
        sequence = _layer_in(node.value, names)
        return sequence if type(sequence).__name__ == "Sequential" and isinstance(node.slice, ast.Slice) else None
    if isinstance(node, ast.Attribute) and holds_layers(owner := _layer_in(node.value, names)):
        held = vars(owner)
        return held.get("_modules", held).get(node.attr)
    return None


def _has_hooks(layer: object) -> bool:
    return any(getattr(layer, f"_{kind}", None) for kind in ("forward_hooks", "forward_pre_hooks", "backward_hooks"))


def _is_pure(function: ast.expr, aliases: Mapping[str, str], names: Mapping[str, object]) -> bool:
    if is_pure_layer(_layer_in(function, names)):
        return True
    if isinstance(function, ast.Call):  # a layer made anew: of its own parameters only, no random numbers
        made = full_name(function.func, aliases) or ""
        return made.startswith("torch.nn.") and made.rsplit(".", 1)[-1] in _MADE
    if isinstance(function, ast.Name) and function.id in BUILTINS and function.id not in aliases:
        return True
    name = full_name(function, aliases)
    if name is not None:
        root, last = name.partition(".")[0], name.rsplit(".", 1)[-1]
        return name in functions() or root == "math" or (root in ROOTS and last in PURE)
    if isinstance(function, ast.Attribute):
        return function.attr in (*PURE, "to_numpy") or "." + function.attr in functions()
    return False
