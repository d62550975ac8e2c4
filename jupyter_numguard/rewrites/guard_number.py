"""guard_number: A Python number that is 0 as a divisor makes Inf or NaN; a tiny one in its place makes a large quotient."""

FIXES = {"NG102"}
SAME_MATHEMATICS = False
GENERAL = True  # a divisor that is a tensor has a selection of its own
NEIGHBOURHOOD = "where the divisor is 0"
BENIGN = [([0.5, 1.0], 4.0), ([0.5, 1.0], -2.0)]
STRESS = [([1.0, 2.0], 0.0)]


def before_torch(torch, x, y):
    return x / y


def after_torch(torch, x, y):
    return x / (y or 1e-12)


def guarded_torch(torch, x, y):
    return torch.full_like(x, not y, dtype=torch.bool)


def before_tensorflow(tf, x, y):
    return x / y


def after_tensorflow(tf, x, y):
    return x / (y or 1e-12)


def guarded_tensorflow(tf, x, y):
    return tf.fill(tf.shape(x), not y)


def before_numpy(np, x, y):
    return x / y


def after_numpy(np, x, y):
    return x / (y or 1e-12)


def guarded_numpy(np, x, y):
    return np.full(np.shape(x), not y)
