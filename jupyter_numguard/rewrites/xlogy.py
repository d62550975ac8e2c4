"""xlogy: `x * log(y)` is 0 * -Inf where both are 0; its limit there is 0, and the fused form says so."""

FIXES = {"NG206", "NG403"}
BENIGN = [([0.5, 1.0, 0.0], [0.5, 3.0, 2.0])]
STRESS = [([0.0, 1.0], [0.0, 3.0])]
HAS_GRADIENT = False  # x / y has none at 0 / 0


def before_torch(torch, x, y):
    return x * torch.log(y)


def after_torch(torch, x, y):
    return torch.xlogy(x, y)


def before_tensorflow(tf, x, y):
    return x * tf.math.log(y)


def after_tensorflow(tf, x, y):
    return tf.math.xlogy(x, y)


def before_numpy(np, x, y):
    return x * np.log(y)


def after_numpy(np, x, y):
    return x * np.log(np.where(x == 0, 1.0, y))


def before_numpy_log2(np, x, y):
    return x * np.log2(y)


def after_numpy_log2(np, x, y):
    return x * np.log2(np.where(x == 0, 1.0, y))


def before_numpy_log10(np, x, y):
    return x * np.log10(y)


def after_numpy_log10(np, x, y):
    return x * np.log10(np.where(x == 0, 1.0, y))
