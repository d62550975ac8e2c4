"""masked_logsumexp: The gradient of logsumexp over elements that are all -Inf is NaN; with a finite floor it is uniform.

The logarithm of a row that is masked as a whole is then about -3e4 instead of -Inf.
"""

FIXES = {"NG402"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "rows that are masked as a whole"
BENIGN = [([[0.5, -1.0, -20.0], [3.0, 0.0, -3.0]], -1)]
STRESS = [([[float("-inf"), float("-inf")], [1.0, 2.0]], -1)]


def before_torch(torch, x, dim, keepdim=False):
    return torch.logsumexp(x, dim, keepdim=keepdim)


def after_torch(torch, x, dim, keepdim=False):
    return torch.logsumexp(torch.clamp(x, min=-3e4), dim, keepdim=keepdim)


def before_tensorflow(tf, x, dim=None, keepdim=False):
    return tf.reduce_logsumexp(x, axis=dim, keepdims=keepdim)


def after_tensorflow(tf, x, dim=None, keepdim=False):
    return tf.reduce_logsumexp(tf.maximum(x, -3e4), axis=dim, keepdims=keepdim)
