"""How the frameworks spell the operations that source patterns are made of, and the order of their parameters.

Only spellings that mean exactly the operation are here: no in-place form (`exp_`), no other base (`exp2`), no variant
that skips values (`nansum`). What is missing is an opaque expression to the matcher, never a guess. Names of operations are
those of `opnames.py`.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from .model import Framework


class Spelling(NamedTuple):
    """One callable: its canonical operation and the names of its positional parameters."""

    op: str
    parameters: tuple[str, ...]
    framework: Framework | None


ROOTS: dict[str, Framework] = {"torch": "torch", "tensorflow": "tensorflow", "keras": "tensorflow", "numpy": "numpy"}

# Names that a notebook gives these modules by custom; used where the pipeline could not look them up.
USUAL_ALIASES = (
    ("torch", "torch"),
    ("nn", "torch.nn"),
    ("F", "torch.nn.functional"),
    ("np", "numpy"),
    ("numpy", "numpy"),
    ("tf", "tensorflow"),
    ("tensorflow", "tensorflow"),
    ("keras", "tensorflow.keras"),
    ("K", "tensorflow.keras.backend"),
)

# The frameworks' words for one parameter.
PARAMETER_NAMES = {
    "input": "x", "a": "x", "logits": "x", "self": "x", "tensor": "x", "x": "x", "x1": "x", "arr": "x",
    "input_tensor": "x",
    "other": "y", "y": "y", "x2": "y", "exponent": "y", "b": "y",
    "dim": "dim", "axis": "dim", "keepdim": "keepdim", "keepdims": "keepdim", "target": "target",
    "condition": "condition", "cond": "condition", "mask": "mask", "value": "value",
    "min": "low", "a_min": "low", "clip_value_min": "low", "max": "high", "a_max": "high", "clip_value_max": "high",
}  # fmt: skip

# operation | callables; ".name" is a method | positional parameters
_TABLE = """
exp | torch.exp tensorflow.exp tensorflow.math.exp numpy.exp keras.ops.exp .exp | x
expm1 | torch.expm1 tensorflow.math.expm1 numpy.expm1 .expm1 | x
log | torch.log tensorflow.math.log numpy.log keras.ops.log .log | x
log1p | torch.log1p tensorflow.math.log1p numpy.log1p .log1p | x
log2 | torch.log2 numpy.log2 .log2 | x
log10 | torch.log10 numpy.log10 .log10 | x
sqrt | torch.sqrt tensorflow.sqrt tensorflow.math.sqrt numpy.sqrt .sqrt | x
rsqrt | torch.rsqrt tensorflow.math.rsqrt .rsqrt | x
square | torch.square tensorflow.square tensorflow.math.square numpy.square .square | x
abs | torch.abs tensorflow.abs tensorflow.math.abs numpy.abs numpy.absolute .abs | x
sign | torch.sign tensorflow.sign tensorflow.math.sign numpy.sign .sign | x
neg | torch.neg torch.negative tensorflow.negative tensorflow.math.negative numpy.negative .neg | x
tanh | torch.tanh tensorflow.tanh tensorflow.math.tanh numpy.tanh .tanh | x
sin | torch.sin tensorflow.sin tensorflow.math.sin numpy.sin .sin | x
cos | torch.cos tensorflow.cos tensorflow.math.cos numpy.cos .cos | x
tan | torch.tan tensorflow.tan tensorflow.math.tan numpy.tan .tan | x
atanh | torch.atanh torch.arctanh tensorflow.atanh tensorflow.math.atanh numpy.arctanh .atanh .arctanh | x
acosh | torch.acosh torch.arccosh tensorflow.acosh tensorflow.math.acosh numpy.arccosh .acosh .arccosh | x
acos | torch.acos torch.arccos tensorflow.acos tensorflow.math.acos numpy.arccos numpy.acos .acos .arccos | x
asin | torch.asin torch.arcsin tensorflow.asin tensorflow.math.asin numpy.arcsin numpy.asin .asin .arcsin | x
sigmoid | torch.sigmoid torch.special.expit torch.nn.functional.sigmoid tensorflow.sigmoid tensorflow.math.sigmoid \
tensorflow.nn.sigmoid tensorflow.keras.activations.sigmoid keras.activations.sigmoid keras.ops.sigmoid .sigmoid | x
softmax | torch.softmax torch.nn.functional.softmax torch.special.softmax tensorflow.nn.softmax \
tensorflow.keras.activations.softmax keras.activations.softmax keras.ops.softmax .softmax | x dim
log_softmax | torch.log_softmax torch.nn.functional.log_softmax tensorflow.nn.log_softmax .log_softmax | x dim
logsumexp | torch.logsumexp tensorflow.reduce_logsumexp tensorflow.math.reduce_logsumexp .logsumexp | x dim keepdim
sum | torch.sum tensorflow.reduce_sum tensorflow.math.reduce_sum keras.ops.sum .sum | x dim keepdim
sum | numpy.sum | x dim dtype out keepdim
mean | torch.mean tensorflow.reduce_mean tensorflow.math.reduce_mean keras.ops.mean .mean | x dim keepdim
mean | numpy.mean | x dim dtype out keepdim
max | tensorflow.reduce_max tensorflow.math.reduce_max | x dim keepdim
prod | numpy.prod | x dim dtype out keepdim
prod | torch.prod tensorflow.reduce_prod tensorflow.math.reduce_prod .prod | x dim keepdim
std | torch.std tensorflow.math.reduce_std .std | x dim
norm | torch.norm torch.linalg.norm torch.linalg.vector_norm tensorflow.norm numpy.linalg.norm .norm | x p dim keepdim
add | torch.add tensorflow.add tensorflow.math.add numpy.add .add | x y
sub | torch.sub torch.subtract tensorflow.subtract tensorflow.math.subtract numpy.subtract .sub | x y
mul | torch.mul torch.multiply tensorflow.multiply tensorflow.math.multiply numpy.multiply .mul .multiply | x y
div | torch.div torch.divide torch.true_divide tensorflow.divide tensorflow.math.divide numpy.divide numpy.true_divide \
.div .divide | x y
pow | torch.pow tensorflow.pow tensorflow.math.pow numpy.power .pow | x y
var | torch.var tensorflow.math.reduce_variance .var | x dim
logit | torch.logit torch.special.logit .logit | x eps
svd | torch.linalg.svd torch.svd | x
eigh | torch.linalg.eigh | x
cross_entropy | torch.nn.functional.cross_entropy | x target weight
where | torch.where tensorflow.where numpy.where | condition x y
where | .where | x condition y
masked_fill | torch.masked_fill .masked_fill | x mask value
logaddexp | torch.logaddexp numpy.logaddexp | x y
"""


@cache
def functions() -> dict[str, Spelling]:
    """Full dotted name -> spelling, for functions; a method's key is ".name"."""
    out: dict[str, Spelling] = {}
    for row in _TABLE.replace("\\\n", "").strip().splitlines():
        op, names, parameters = (cell.strip() for cell in row.split("|"))
        for name in names.split():
            framework = None if name.startswith(".") else ROOTS[name.split(".")[0]]
            out[name] = Spelling(op, tuple(parameters.split()), framework)
    return out
