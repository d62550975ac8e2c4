"""double_where_sqrt_else: `where` computes sqrt also where the condition holds; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.

Not for TensorFlow: its derivative of sqrt is 0 wherever the incoming gradient is.
"""

FIXES = {"NG302"}
BENIGN = [([False, True], [4.0, 2.0], [0.5, -1.0])]
STRESS = [([False, True], [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, x, b):
    return torch.where(c, b, torch.sqrt(x))


def after_torch(torch, c, x, b):
    return torch.where(c, b, torch.sqrt(torch.where(c, torch.ones_like(x), x)))
