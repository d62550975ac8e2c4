"""Canonical operation names, one table for torch, TensorFlow, numpy and Python; rules see only these."""

from __future__ import annotations

import re

# canonical name -> the frameworks' spellings after `_normalise` (lower case; no namespace, overload, "_", "Backward0").
# A name that is missing here is its own canonical name.
_SPELLINGS: dict[str, str] = {
    # arithmetic
    "add": "add iadd radd addv2 addn biasadd accumulaten",
    "sub": "sub isub rsub subtract",
    "mul": "mul imul rmul multiply mulnonan scalarmul",
    "div": "div idiv rdiv truediv itruediv rtruediv truedivide divide realdiv divnonan reciprocal reciprocalgrad xdivy "
    "floordiv floordivide ifloordiv rfloordiv",
    "mod": "mod remainder fmod floormod imod rmod divmod",
    "pow": "pow ipow rpow power floatpower square",
    "sqrt": "sqrt",
    "rsqrt": "rsqrt",
    "abs": "abs absolute fabs",
    "neg": "neg negative",
    "addcdiv": "addcdiv",
    "addcmul": "addcmul",
    "lerp": "lerp",
    # exponentials and logarithms
    "exp": "exp exp2",
    "cosh": "cosh",
    "sinh": "sinh",
    "expm1": "expm1",
    "log": "log ln",
    "log2": "log2",
    "log10": "log10",
    "log1p": "log1p",
    "logaddexp": "logaddexp logaddexp2",
    "logsumexp": "logsumexp reducelogsumexp",
    "logcumsumexp": "logcumsumexp",
    "xlogy": "xlogy xlog1py specialxlogy specialxlog1py",
    "logit": "logit speciallogit",
    # trigonometry
    "acos": "acos arccos",
    "asin": "asin arcsin",
    "atan": "atan arctan",
    "atan2": "atan2 arctan2",
    "atanh": "atanh arctanh",
    "acosh": "acosh arccosh",
    "asinh": "asinh arcsinh",
    "tan": "tan",
    "tanh": "tanh",
    # linear algebra
    "matmul": "matmul imatmul rmatmul mm bmm addmm baddbmm addbmm mv dot vdot inner linear batchmatmulv2 batchmatmulv3 "
    "batchmatmul einsum tensordot chainmatmul multidot",
    "norm": "norm linalgnorm vectornorm matrixnorm linalgvectornorm linalgmatrixnorm l2loss euclideannorm",
    "normalize": "normalize l2normalize",
    "cdist": "cdist pairwisedistance dist",
    "svd": "svd linalgsvd",
    "eigh": "eigh linalgeigh selfadjointeigv2 eig linalgeig",
    "inverse": "inverse inv linalginv matrixinverse pinverse pinv",
    "cholesky": "cholesky linalgcholesky",
    "solve": "solve linalgsolve matrixsolve triangularsolve matrixtriangularsolve lstsq",
    "det": "det linalgdet logdet slogdet linalgslogdet matrixdeterminant logmatrixdeterminant",
    # reductions
    "sum": "sum reducesum nansum addreduce",
    "cumsum": "cumsum addaccumulate",
    "prod": "prod reduceprod multiplyreduce",
    "cumprod": "cumprod multiplyaccumulate",
    "mean": "mean reducemean nanmean average",
    "median": "median nanmedian",
    "std": "std stdmean reducestd nanstd",
    "var": "var varmean reducevariance nanvar variance moments",
    "max": "max amax reducemax maximum maximumreduce",
    "min": "min amin reducemin minimum minimumreduce",
    "segment_sum": "segmentsum unsortedsegmentsum scatteradd indexadd bincount",
    # activations, normalisation, layers
    "softmax": "softmax",
    "log_softmax": "logsoftmax",
    "sigmoid": "sigmoid logistic expit",
    "log_sigmoid": "logsigmoid",
    "softplus": "softplus",
    "gelu": "gelu",
    "layer_norm": "layernorm nativelayernorm",
    "batch_norm": "batchnorm nativebatchnorm fusedbatchnorm fusedbatchnormv2 fusedbatchnormv3 batchnormalization",
    "group_norm": "groupnorm nativegroupnorm",
    "instance_norm": "instancenorm",
    "rms_norm": "rmsnorm",
    "conv": "conv1d conv2d conv3d convolution convtranspose1d convtranspose2d convtranspose3d depthwiseconv2dnative",
    "attention": "scaleddotproductattention multiheadattentionforward multiheadattention",
    "dropout": "dropout",
    "embedding": "embedding embeddingbag",
    # losses
    "cross_entropy": "crossentropy crossentropyloss nllloss softmaxcrossentropywithlogits "
    "sparsesoftmaxcrossentropywithlogits",
    "binary_cross_entropy": "binarycrossentropy bceloss",
    "binary_cross_entropy_with_logits": "binarycrossentropywithlogits bcewithlogitsloss sigmoidcrossentropywithlogits",
    "kl_div": "kldiv kldivloss",
    "mse_loss": "mseloss squareddifference",
    "l1_loss": "l1loss",
    "smooth_l1_loss": "smoothl1loss",
    "huber_loss": "huberloss",
    "ctc_loss": "ctcloss ctclossv2",
    "gaussian_nll_loss": "gaussiannllloss",
    "cosine_similarity": "cosinesimilarity",
    # data movement and creation
    "cast": "cast to half float bfloat16 double type astype tohalf tofloat convertelementtype",
    "where": "where select selectv2",
    "masked_fill": "maskedfill",
    "fill": "fill full fulllike newfull zero zeros ones",
    "clamp": "clamp clip clampmin clampmax clipbyvalue",
    "nan_to_num": "nantonum",
    "setitem": "setitem indexput indexputwithsort scatter tensorscatterupdate",
    "copy": "copy clone detach identity",
    "empty": "empty emptylike newempty emptystrided",
    "data": "data tensor astensor array asarray constant lift liftfresh fromnumpy converttotensor",
    "grad_accumulate": "accumulate accumulategrad",
    # optimizers
    "update": "update assign assignvariableop assignaddvariableop assignsubvariableop resourceapplyadam "
    "resourceapplygradientdescent resourceapplymomentum adam adamw sgd rmsprop adagrad adadelta adamax nadam radam "
    "lbfgs asgd rprop sparseadam lion adafactor muon",
}
_CANONICAL = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings.split()}


def _normalise(native: str) -> str:
    """ "aten::log_.default" -> "log", "SqrtBackward0" -> "sqrt", "numpy.true_divide" -> "truedivide"."""
    name = native.strip()
    name = name.split("Backward")[0] if "Backward" in name else name.split(" ")[0]
    name = name.split("/")[-1].split("::")[-1].strip()
    name = re.sub(r"\.(default|Tensor|Scalar|out|int|dim_IntList)$", "", name)
    return name.rsplit(".", 1)[-1].replace("_", "").lower()


def canonical_op(native: str) -> str:
    """The framework-free name of an operation; what the table does not hold keeps its own name, in snake_case."""
    name = _normalise(native)
    found = _CANONICAL.get(name) or _CANONICAL.get(re.sub("^(foreach|reduce)", "", name))
    if found is not None:
        return found
    own = native.split("/")[-1].split("::")[-1].split(".")[-1].split(" ")[0].strip("_")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", own).lower()


def is_known(op: str) -> bool:
    """Whether this is the canonical name of an operation of the table."""
    return op in _SPELLINGS
