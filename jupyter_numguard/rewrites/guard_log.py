"""guard_log: The logarithm of zero or less is not finite; bounded from below, its argument stays positive."""

FIXES = {"NG101", "NG206", "NG502"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the argument is below 1e-12"
BENIGN = [[0.5, 1e-6, 2.0]]
STRESS = [[0.0, 1.0], [-1e-9, 1.0]]


def before_torch(torch, x):
    return torch.log(x)


def after_torch(torch, x):
    return torch.log(torch.clamp(x, min=1e-12))


def guarded_torch(torch, x):
    return x < 1e-12


def before_tensorflow(tf, x):
    return tf.math.log(x)


def after_tensorflow(tf, x):
    return tf.math.log(tf.maximum(x, 1e-12))


def guarded_tensorflow(tf, x):
    return x < 1e-12


def before_numpy(np, x):
    return np.log(x)


def after_numpy(np, x):
    return np.log(np.maximum(x, 1e-12))


def guarded_numpy(np, x):
    return x < 1e-12


def before_torch_log2(torch, x):
    return torch.log2(x)


def after_torch_log2(torch, x):
    return torch.log2(torch.clamp(x, min=1e-12))


def before_torch_log10(torch, x):
    return torch.log10(x)


def after_torch_log10(torch, x):
    return torch.log10(torch.clamp(x, min=1e-12))


def before_numpy_log2(np, x):
    return np.log2(x)


def after_numpy_log2(np, x):
    return np.log2(np.maximum(x, 1e-12))


def before_numpy_log10(np, x):
    return np.log10(x)


def after_numpy_log10(np, x):
    return np.log10(np.maximum(x, 1e-12))
