"""double_where_exp: `where` computes exp also where the condition fails; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.
"""

FIXES = {"NG302"}
BENIGN = [([True, False], [4.0, 2.0], [0.5, -1.0])]
STRESS = [([True, False], [1.0, 800.0], [0.5, -1.0])]


def before_torch(torch, c, x, b):
    return torch.where(c, torch.exp(x), b)


def after_torch(torch, c, x, b):
    return torch.where(c, torch.exp(torch.where(c, x, torch.ones_like(x))), b)


def before_tensorflow(tf, c, x, b):
    return tf.where(c, tf.exp(x), b)


def after_tensorflow(tf, c, x, b):
    return tf.where(c, tf.exp(tf.where(c, x, tf.ones_like(x))), b)
