"""signed_power: A negative number has no real fractional power; the power of its magnitude, with its sign, exists."""

FIXES = {"NG103"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the base is negative"
BENIGN = [([0.5, 3.0, 2.0], 1.5)]
STRESS = [([-0.25, 1.0], 1.5)]


def before_torch(torch, x, p):
    return x**p


def after_torch(torch, x, p):
    return torch.sign(x) * torch.abs(x) ** p


def guarded_torch(torch, x, p):
    return x < 0


def before_tensorflow(tf, x, p):
    return x**p


def after_tensorflow(tf, x, p):
    return tf.sign(x) * tf.abs(x) ** p


def guarded_tensorflow(tf, x, p):
    return x < 0


def before_numpy(np, x, p):
    return x**p


def after_numpy(np, x, p):
    return np.sign(x) * np.abs(x) ** p


def guarded_numpy(np, x, p):
    return x < 0
