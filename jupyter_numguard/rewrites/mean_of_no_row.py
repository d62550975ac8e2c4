"""mean_of_no_row: As mean_of_nothing, along a dimension that has no element."""

FIXES = {"NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "means of nothing"
BENIGN = [([[0.5, 3.0], [2.0, 1.0]], 1)]
STRESS: list[tuple[list[list[float]], int]] = [([[], []], 1)]


def before_torch(torch, x, dim, keepdim=False):
    return torch.mean(x, dim, keepdim=keepdim)


def after_torch(torch, x, dim, keepdim=False):
    return torch.sum(x, dim, keepdim=keepdim) / max(x.shape[dim], 1)


def before_tensorflow(tf, x, dim, keepdim=False):
    return tf.reduce_mean(x, axis=dim, keepdims=keepdim)


def after_tensorflow(tf, x, dim, keepdim=False):
    return tf.reduce_sum(x, axis=dim, keepdims=keepdim) / max(x.shape[dim], 1)


def before_numpy(np, x, dim, keepdim=False):
    return np.mean(x, axis=dim, keepdims=keepdim)


def after_numpy(np, x, dim, keepdim=False):
    return np.sum(x, axis=dim, keepdims=keepdim) / max(x.shape[dim], 1)
