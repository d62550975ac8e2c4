"""bounded_ratio: A ratio taken as the exponential of a difference of logarithms overflows; of a bounded one it does not.

As of importance weights. Larger ratios are cut: what follows must not need them.
"""

FIXES = {"NG203"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the difference is above 80"
BENIGN = [([0.5, -3.0, 20.0], [0.1, 0.2, 0.3])]
STRESS = [([800.0, 1.0], [0.0, 2.0])]


def before_torch(torch, x, y):
    return torch.exp(x - y)


def after_torch(torch, x, y):
    return torch.exp(torch.clamp(x - y, max=80.0))


def guarded_torch(torch, x, y):
    return x - y > 80


def before_tensorflow(tf, x, y):
    return tf.exp(x - y)


def after_tensorflow(tf, x, y):
    return tf.exp(tf.minimum(x - y, 80.0))


def guarded_tensorflow(tf, x, y):
    return x - y > 80


def before_numpy(np, x, y):
    return np.exp(x - y)


def after_numpy(np, x, y):
    return np.exp(np.minimum(x - y, 80.0))


def guarded_numpy(np, x, y):
    return x - y > 80
