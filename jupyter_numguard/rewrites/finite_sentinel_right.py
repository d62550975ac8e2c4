"""finite_sentinel_right: 0 times a right factor of -Inf is NaN; the most negative finite number can be multiplied by 0."""

FIXES = {"NG403"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the operand is -Inf"
BENIGN = [([0.5, -3.0], [2.0, 1.0])]
STRESS = [([0.0, 1.0], [float("-inf"), 2.0])]
HAS_GRADIENT = False  # the factor's own gradient stays as large as the sentinel


def before_torch(torch, x, y):
    return x * y


def after_torch(torch, x, y):
    return x * torch.clamp(y, min=torch.finfo(y.dtype).min)


def before_tensorflow(tf, x, y):
    return x * y


def after_tensorflow(tf, x, y):
    return x * tf.maximum(y, y.dtype.min)


def before_numpy(np, x, y):
    return x * y


def after_numpy(np, x, y):
    return x * np.maximum(y, np.finfo(y.dtype).min)
