"""double_where_log_else: `where` computes log also where the condition holds; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.
"""

FIXES = {"NG302"}
BENIGN = [([False, True], [4.0, 2.0], [0.5, -1.0])]
STRESS = [([False, True], [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, x, b):
    return torch.where(c, b, torch.log(x))


def after_torch(torch, c, x, b):
    return torch.where(c, b, torch.log(torch.where(c, torch.ones_like(x), x)))


def before_tensorflow(tf, c, x, b):
    return tf.where(c, b, tf.math.log(x))


def after_tensorflow(tf, c, x, b):
    return tf.where(c, b, tf.math.log(tf.where(c, tf.ones_like(x), x)))
