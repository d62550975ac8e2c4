"""finite_sentinel: 0 times -Inf is NaN; the most negative finite number can be multiplied by 0."""

FIXES = {"NG403"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the operand is -Inf"
BENIGN = [([0.5, -3.0], [2.0, 1.0])]
STRESS = [([float("-inf"), 1.0], [0.0, 2.0])]
HAS_GRADIENT = False  # the factor's own gradient stays as large as the sentinel


def before_torch(torch, x, y):
    return x * y


def after_torch(torch, x, y):
    return torch.clamp(x, min=torch.finfo(x.dtype).min) * y


def before_tensorflow(tf, x, y):
    return x * y


def after_tensorflow(tf, x, y):
    return tf.maximum(x, x.dtype.min) * y


def before_numpy(np, x, y):
    return x * y


def after_numpy(np, x, y):
    return np.maximum(x, np.finfo(x.dtype).min) * y
