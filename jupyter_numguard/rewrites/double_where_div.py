"""double_where_div: `where` computes a quotient also where the condition fails; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.
"""

FIXES = {"NG302"}
BENIGN = [([True, False], [1.0, 1.0], [4.0, 2.0], [0.5, -1.0])]
STRESS = [([True, False], [1.0, 1.0], [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, a, x, b):
    return torch.where(c, a / x, b)


def after_torch(torch, c, a, x, b):
    return torch.where(c, a / torch.where(c, x, torch.ones_like(x)), b)


def before_tensorflow(tf, c, a, x, b):
    return tf.where(c, a / x, b)


def after_tensorflow(tf, c, a, x, b):
    return tf.where(c, a / tf.where(c, x, tf.ones_like(x)), b)
