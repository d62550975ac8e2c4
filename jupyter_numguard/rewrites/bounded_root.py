"""bounded_root: The root that divides is 0 at 0, and its derivative infinite; a radicand that is bounded below cures both."""

FIXES = {"NG102", "NG301", "NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the radicand is below 1e-12"
BENIGN = [([0.5, 1.0, -2.0], [4.0, 2.0, 1e-3])]
STRESS = [([0.0, 1.0, 0.0], [0.0, 0.0, 3.0])]


def before_torch(torch, x, y):
    return x / torch.sqrt(y)


def after_torch(torch, x, y):
    return x / torch.sqrt(torch.clamp(y, min=1e-12))


def guarded_torch(torch, x, y):
    return y + 0 * x < 1e-12


def before_tensorflow(tf, x, y):
    return x / tf.sqrt(y)


def after_tensorflow(tf, x, y):
    return x / tf.sqrt(tf.maximum(y, 1e-12))


def guarded_tensorflow(tf, x, y):
    return y + 0 * x < 1e-12


def before_numpy(np, x, y):
    return x / np.sqrt(y)


def after_numpy(np, x, y):
    return x / np.sqrt(np.maximum(y, 1e-12))


def guarded_numpy(np, x, y):
    return y + 0 * x < 1e-12
