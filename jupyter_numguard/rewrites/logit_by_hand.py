"""logit_by_hand: `log(p / (1 - p))` is infinite at 0 and 1; just inside it is finite, with its gradient."""

FIXES = {"NG101", "NG102"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "within 1e-6 of 0 and 1"
BENIGN = [[0.5, 0.9, 0.1]]
STRESS = [[1.0, 0.5, 0.0]]


def before_torch(torch, p):
    return torch.log(p / (1 - p))


def after_torch(torch, p):
    return torch.logit(p, eps=1e-6)


def guarded_torch(torch, p):
    return (p < 2e-6) | (p > 1 - 2e-6)


def before_tensorflow(tf, p):
    return tf.math.log(p / (1 - p))


def after_tensorflow(tf, p):
    return tf.math.log(tf.clip_by_value(p, 1e-6, 1 - 1e-6)) - tf.math.log1p(-tf.clip_by_value(p, 1e-6, 1 - 1e-6))


def guarded_tensorflow(tf, p):
    return (p < 2e-6) | (p > 1 - 2e-6)


def before_numpy(np, p):
    return np.log(p / (1 - p))


def after_numpy(np, p):
    return np.log(np.clip(p, 1e-6, 1 - 1e-6)) - np.log1p(-np.clip(p, 1e-6, 1 - 1e-6))


def guarded_numpy(np, p):
    return (p < 2e-6) | (p > 1 - 2e-6)
