"""double_where_pow: `where` computes a power also where the condition fails; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.
"""

FIXES = {"NG302"}
BENIGN = [([True, False], 0.5, [4.0, 2.0], [0.5, -1.0])]
STRESS = [([True, False], 0.5, [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, p, x, b):
    return torch.where(c, x**p, b)


def after_torch(torch, c, p, x, b):
    return torch.where(c, torch.where(c, x, torch.ones_like(x)) ** p, b)


def before_tensorflow(tf, c, p, x, b):
    return tf.where(c, x**p, b)


def after_tensorflow(tf, c, p, x, b):
    return tf.where(c, tf.where(c, x, tf.ones_like(x)) ** p, b)
