"""mean_of_nothing: The mean of no element is 0/0; a sum over at least one is 0, and every other mean is what it was."""

FIXES = {"NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "means of nothing"
BENIGN = [[0.5, 3.0, 2.0]]
STRESS: list[list[float]] = [[]]


def before_torch(torch, x):
    return torch.mean(x)


def after_torch(torch, x):
    return torch.sum(x) / max(x.numel(), 1)


def before_torch_median(torch, x):
    return torch.median(x)


def after_torch_median(torch, x):
    return torch.median(x) if x.numel() > 0 else torch.sum(x)


def before_tensorflow(tf, x):
    return tf.reduce_mean(x)


def after_tensorflow(tf, x):
    return tf.math.divide_no_nan(tf.reduce_sum(x), tf.cast(tf.size(x), x.dtype))


def before_numpy(np, x):
    return np.mean(x)


def after_numpy(np, x):
    return np.sum(x) / max(np.size(x), 1)


def before_numpy_median(np, x):
    return np.median(x)


def after_numpy_median(np, x):
    return np.median(x) if np.size(x) > 0 else np.sum(x)
