"""double_where_div_else: `where` computes a quotient also where the condition holds; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.
"""

FIXES = {"NG302"}
BENIGN = [([False, True], [1.0, 1.0], [4.0, 2.0], [0.5, -1.0])]
STRESS = [([False, True], [1.0, 1.0], [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, a, x, b):
    return torch.where(c, b, a / x)


def after_torch(torch, c, a, x, b):
    return torch.where(c, b, a / torch.where(c, torch.ones_like(x), x))


def before_tensorflow(tf, c, a, x, b):
    return tf.where(c, b, a / x)


def after_tensorflow(tf, c, a, x, b):
    return tf.where(c, b, a / tf.where(c, tf.ones_like(x), x))
