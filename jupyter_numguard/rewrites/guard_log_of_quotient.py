"""guard_log_of_quotient: The logarithm of a quotient fails where either side is 0; both bounded from below, it is finite."""

FIXES = {"NG101", "NG102", "NG206", "NG401"}
SAME_MATHEMATICS = False
GENERAL = True  # a log-odds and a divergence have forms of their own
NEIGHBOURHOOD = "where the dividend or the divisor is below 1e-12"
BENIGN = [([0.5, 1.0, 2.0], [4.0, 2.0, 1e-3])]
STRESS = [([0.0, 1.0, 0.0], [0.0, 0.0, 3.0])]


def before_torch(torch, x, y):
    return torch.log(x / y)


def after_torch(torch, x, y):
    return torch.log(torch.clamp(x, min=1e-12) / torch.clamp(y, min=1e-12))


def before_torch_log2(torch, x, y):
    return torch.log2(x / y)


def after_torch_log2(torch, x, y):
    return torch.log2(torch.clamp(x, min=1e-12) / torch.clamp(y, min=1e-12))


def before_torch_log10(torch, x, y):
    return torch.log10(x / y)


def after_torch_log10(torch, x, y):
    return torch.log10(torch.clamp(x, min=1e-12) / torch.clamp(y, min=1e-12))


def guarded_torch(torch, x, y):
    return (x.abs() < 1e-12) | (y.abs() < 1e-12)


def before_tensorflow(tf, x, y):
    return tf.math.log(x / y)


def after_tensorflow(tf, x, y):
    return tf.math.log(tf.maximum(x, 1e-12) / tf.maximum(y, 1e-12))


def guarded_tensorflow(tf, x, y):
    return (tf.abs(x) < 1e-12) | (tf.abs(y) < 1e-12)


def before_numpy(np, x, y):
    return np.log(x / y)


def after_numpy(np, x, y):
    return np.log(np.maximum(x, 1e-12) / np.maximum(y, 1e-12))


def before_numpy_log2(np, x, y):
    return np.log2(x / y)


def after_numpy_log2(np, x, y):
    return np.log2(np.maximum(x, 1e-12) / np.maximum(y, 1e-12))


def before_numpy_log10(np, x, y):
    return np.log10(x / y)


def after_numpy_log10(np, x, y):
    return np.log10(np.maximum(x, 1e-12) / np.maximum(y, 1e-12))


def guarded_numpy(np, x, y):
    return (np.abs(x) < 1e-12) | (np.abs(y) < 1e-12)
