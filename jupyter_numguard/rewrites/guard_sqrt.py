"""guard_sqrt: The derivative of sqrt is infinite at 0; a tiny number added before the root keeps it finite."""

FIXES = {"NG301"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the argument is below 1e-6"
BENIGN = [[0.5, 1e-3, 2.0]]
STRESS = [[0.0, 4.0]]


def before_torch(torch, x):
    return torch.sqrt(x)


def after_torch(torch, x):
    return torch.sqrt(x + 1e-12)


def guarded_torch(torch, x):
    return x < 1e-6


def before_tensorflow(tf, x):
    return tf.sqrt(x)


def after_tensorflow(tf, x):
    return tf.sqrt(x + 1e-12)


def guarded_tensorflow(tf, x):
    return x < 1e-6
