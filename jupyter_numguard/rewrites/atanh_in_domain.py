"""atanh_in_domain: atanh is infinite at -1 and 1 and NaN beyond; bounded to just inside it is finite, with its gradient."""

FIXES = {"NG103", "NG301"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "within 1e-6 of the ends"
BENIGN = [[0.5, -0.9, 0.1]]
STRESS = [[1.0, 0.5]]


def before_torch(torch, x):
    return torch.atanh(x)


def after_torch(torch, x):
    return torch.atanh(torch.clamp(x, -1 + 1e-6, 1 - 1e-6))


def guarded_torch(torch, x):
    return abs(x) > 1 - 2e-6


def before_tensorflow(tf, x):
    return tf.atanh(x)


def after_tensorflow(tf, x):
    return tf.atanh(tf.clip_by_value(x, -1 + 1e-6, 1 - 1e-6))


def guarded_tensorflow(tf, x):
    return abs(x) > 1 - 2e-6


def before_numpy(np, x):
    return np.arctanh(x)


def after_numpy(np, x):
    return np.arctanh(np.clip(x, -1 + 1e-6, 1 - 1e-6))


def guarded_numpy(np, x):
    return abs(x) > 1 - 2e-6
