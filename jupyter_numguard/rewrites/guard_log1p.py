"""guard_log1p: log1p of -1, or of what rounding left below, is not finite; just above -1 it is."""

FIXES = {"NG101"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the argument is below -1 + 1e-6"
BENIGN = [[0.5, -0.9, 2.0]]
STRESS = [[-1.0, 1.0]]


def before_torch(torch, x):
    return torch.log1p(x)


def after_torch(torch, x):
    return torch.log1p(torch.clamp(x, min=-1 + 1e-6))


def guarded_torch(torch, x):
    return x < -1 + 1e-6


def before_tensorflow(tf, x):
    return tf.math.log1p(x)


def after_tensorflow(tf, x):
    return tf.math.log1p(tf.maximum(x, -1 + 1e-6))


def guarded_tensorflow(tf, x):
    return x < -1 + 1e-6


def before_numpy(np, x):
    return np.log1p(x)


def after_numpy(np, x):
    return np.log1p(np.maximum(x, -1 + 1e-6))


def guarded_numpy(np, x):
    return x < -1 + 1e-6
