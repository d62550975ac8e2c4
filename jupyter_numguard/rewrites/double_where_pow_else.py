"""double_where_pow_else: `where` computes a power also where the condition holds; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.
"""

FIXES = {"NG302"}
BENIGN = [([False, True], 0.5, [4.0, 2.0], [0.5, -1.0])]
STRESS = [([False, True], 0.5, [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, p, x, b):
    return torch.where(c, b, x**p)


def after_torch(torch, c, p, x, b):
    return torch.where(c, b, torch.where(c, torch.ones_like(x), x) ** p)


def before_tensorflow(tf, c, p, x, b):
    return tf.where(c, b, x**p)


def after_tensorflow(tf, c, p, x, b):
    return tf.where(c, b, tf.where(c, tf.ones_like(x), x) ** p)
