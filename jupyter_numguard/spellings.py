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


ROOTS: dict[str, Framework] = {
    "torch": "torch", "tensorflow": "tensorflow", "keras": "tensorflow", "numpy": "numpy", "scipy": "numpy",
}  # fmt: skip

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
    ("scipy", "scipy"),
)

# The frameworks' words for one parameter.
PARAMETER_NAMES = {
    "input": "x", "a": "x", "logits": "x", "self": "x", "tensor": "x", "x": "x", "x1": "x", "arr": "x",
    "input_tensor": "x",
    "other": "y", "y": "y", "x2": "y", "exponent": "y", "b": "y",
    "dim": "dim", "axis": "dim", "keepdim": "keepdim", "keepdims": "keepdim", "target": "target", "ignore_index": "ignored",
    "condition": "condition", "cond": "condition", "mask": "mask", "value": "value",
    "unbiased": "unbiased", "correction": "correction", "ddof": "correction", "index": "index", "indices": "index",
    "rowvar": "rowvar", "dtype": "dtype", "eps": "eps", "array": "x", "params": "x", "probs": "x",
    "min": "low", "a_min": "low", "clip_value_min": "low", "max": "high", "a_max": "high", "clip_value_max": "high",
}  # fmt: skip

# operation | callables; ".name" is a method | positional parameters
_TABLE = """
exp | torch.exp tensorflow.exp tensorflow.math.exp numpy.exp keras.ops.exp {K}.exp .exp | x
expm1 | torch.expm1 tensorflow.math.expm1 numpy.expm1 keras.ops.expm1 .expm1 | x
log | torch.log tensorflow.math.log numpy.log keras.ops.log {K}.log .log | x
log1p | torch.log1p tensorflow.math.log1p numpy.log1p keras.ops.log1p .log1p | x
log2 | torch.log2 numpy.log2 keras.ops.log2 .log2 | x
log10 | torch.log10 numpy.log10 keras.ops.log10 .log10 | x
sqrt | torch.sqrt tensorflow.sqrt tensorflow.math.sqrt numpy.sqrt keras.ops.sqrt {K}.sqrt .sqrt | x
rsqrt | torch.rsqrt tensorflow.math.rsqrt keras.ops.rsqrt .rsqrt | x
reciprocal | torch.reciprocal tensorflow.math.reciprocal numpy.reciprocal keras.ops.reciprocal .reciprocal | x
square | torch.square tensorflow.square tensorflow.math.square numpy.square keras.ops.square {K}.square .square | x
abs | torch.abs tensorflow.abs tensorflow.math.abs numpy.abs numpy.absolute keras.ops.abs keras.ops.absolute {K}.abs .abs | x
sign | torch.sign tensorflow.sign tensorflow.math.sign numpy.sign keras.ops.sign .sign | x
neg | torch.neg torch.negative tensorflow.negative tensorflow.math.negative numpy.negative keras.ops.negative .neg | x
tanh | torch.tanh tensorflow.tanh tensorflow.math.tanh numpy.tanh keras.ops.tanh .tanh | x
sin | torch.sin tensorflow.sin tensorflow.math.sin numpy.sin keras.ops.sin .sin | x
cos | torch.cos tensorflow.cos tensorflow.math.cos numpy.cos keras.ops.cos .cos | x
cosh | torch.cosh tensorflow.cosh tensorflow.math.cosh numpy.cosh keras.ops.cosh .cosh | x
tan | torch.tan tensorflow.tan tensorflow.math.tan numpy.tan keras.ops.tan .tan | x
atanh | torch.atanh torch.arctanh tensorflow.atanh tensorflow.math.atanh numpy.arctanh keras.ops.arctanh .atanh .arctanh | x
acosh | torch.acosh torch.arccosh tensorflow.acosh tensorflow.math.acosh numpy.arccosh keras.ops.arccosh .acosh .arccosh | x
acos | torch.acos torch.arccos tensorflow.acos tensorflow.math.acos numpy.arccos numpy.acos keras.ops.arccos .acos .arccos | x
asin | torch.asin torch.arcsin tensorflow.asin tensorflow.math.asin numpy.arcsin numpy.asin keras.ops.arcsin .asin .arcsin | x
sigmoid | torch.sigmoid torch.special.expit torch.nn.functional.sigmoid tensorflow.sigmoid tensorflow.math.sigmoid \
tensorflow.nn.sigmoid tensorflow.keras.activations.sigmoid keras.activations.sigmoid keras.ops.sigmoid keras.ops.nn.sigmoid \
{K}.sigmoid scipy.special.expit .sigmoid | x
softmax | torch.softmax torch.nn.functional.softmax torch.special.softmax tensorflow.nn.softmax \
tensorflow.keras.activations.softmax keras.activations.softmax keras.ops.softmax {K}.softmax scipy.special.softmax \
.softmax | x dim
log_softmax | torch.log_softmax torch.nn.functional.log_softmax tensorflow.nn.log_softmax keras.ops.log_softmax \
scipy.special.log_softmax .log_softmax | x dim
logsumexp | torch.logsumexp tensorflow.reduce_logsumexp tensorflow.math.reduce_logsumexp keras.ops.logsumexp \
.logsumexp | x dim keepdim
sum | torch.sum tensorflow.reduce_sum tensorflow.math.reduce_sum keras.ops.sum {K}.sum .sum | x dim keepdim
sum | numpy.sum | x dim dtype out keepdim
mean | torch.mean tensorflow.reduce_mean tensorflow.math.reduce_mean keras.ops.mean {K}.mean .mean | x dim keepdim
mean | numpy.mean | x dim dtype out keepdim
nanmean | torch.nanmean .nanmean | x dim keepdim
nanmean | numpy.nanmean | x dim dtype out keepdim
median | torch.median .median | x dim keepdim
median | numpy.median | x dim out overwrite_input keepdim
max | tensorflow.reduce_max tensorflow.math.reduce_max torch.amax torch.max keras.ops.max {K}.max .amax .max | x dim keepdim
max | numpy.max numpy.amax | x dim out keepdim
prod | numpy.prod | x dim dtype out keepdim
prod | torch.prod tensorflow.reduce_prod tensorflow.math.reduce_prod keras.ops.prod .prod | x dim keepdim
cumprod | torch.cumprod tensorflow.math.cumprod .cumprod | x dim
cumprod | numpy.cumprod | x dim dtype out
cumsum | torch.cumsum tensorflow.cumsum tensorflow.math.cumsum .cumsum | x dim
cumsum | numpy.cumsum | x dim dtype out
std | torch.std tensorflow.math.reduce_std keras.ops.std .std | x dim unbiased keepdim correction
std | numpy.std | x dim dtype out correction keepdim
var | torch.var tensorflow.math.reduce_variance keras.ops.var .var | x dim unbiased keepdim correction
var | numpy.var | x dim dtype out correction keepdim
norm | torch.norm torch.linalg.norm torch.linalg.vector_norm tensorflow.norm tensorflow.linalg.norm numpy.linalg.norm \
.norm | x p dim keepdim
add | torch.add tensorflow.add tensorflow.math.add numpy.add keras.ops.add .add | x y
sub | torch.sub torch.subtract tensorflow.subtract tensorflow.math.subtract numpy.subtract keras.ops.subtract .sub | x y
mul | torch.mul torch.multiply tensorflow.multiply tensorflow.math.multiply numpy.multiply keras.ops.multiply .mul .multiply | x y
div | torch.div torch.divide torch.true_divide tensorflow.divide tensorflow.math.divide tensorflow.truediv \
tensorflow.math.truediv numpy.divide numpy.true_divide keras.ops.divide .div .divide .true_divide | x y
matmul | torch.matmul torch.mm torch.bmm tensorflow.matmul tensorflow.linalg.matmul numpy.matmul numpy.dot keras.ops.matmul \
.matmul .mm .bmm .dot | x y
pow | torch.pow tensorflow.pow tensorflow.math.pow numpy.power keras.ops.power {K}.pow .pow | x y
logit | torch.logit torch.special.logit .logit | x eps
logit | scipy.special.logit | x
det | torch.det torch.linalg.det tensorflow.linalg.det numpy.linalg.det .det | x
svd | torch.linalg.svd torch.svd tensorflow.linalg.svd numpy.linalg.svd .svd | x
eigh | torch.linalg.eigh tensorflow.linalg.eigh numpy.linalg.eigh | x
cross_entropy | torch.nn.functional.cross_entropy | x target weight size_average ignored
kl_div | torch.nn.functional.kl_div | x target
where | torch.where tensorflow.where numpy.where keras.ops.where | condition x y
where | .where | x condition y
masked_fill | torch.masked_fill .masked_fill | x mask value
corrcoef | torch.corrcoef .corrcoef | x
corrcoef | numpy.corrcoef | x y rowvar
logaddexp | torch.logaddexp numpy.logaddexp keras.ops.logaddexp | x y
xlogy | torch.xlogy torch.special.xlogy tensorflow.math.xlogy scipy.special.xlogy .xlogy | x y
"""


@cache
def functions() -> dict[str, Spelling]:
    """Full dotted name -> spelling, for functions; a method's key is ".name"."""
    out: dict[str, Spelling] = {}
    for row in _TABLE.replace("\\\n", "").replace("{K}", "tensorflow.keras.backend").strip().splitlines():
        op, names, parameters = (cell.strip() for cell in row.split("|"))
        for name in names.split():
            framework = None if name.startswith(".") else ROOTS[name.split(".")[0]]
            out[name] = Spelling(op, tuple(parameters.split()), framework)
    return out
