"""double_where_sqrt: `where` computes sqrt also where the condition fails; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.

Not for TensorFlow: its derivative of sqrt is 0 wherever the incoming gradient is.
"""

FIXES = {"NG302"}
BENIGN = [([True, False], [4.0, 2.0], [0.5, -1.0])]
STRESS = [([True, False], [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, x, b):
    return torch.where(c, torch.sqrt(x), b)


def after_torch(torch, c, x, b):
    return torch.where(c, torch.sqrt(torch.where(c, x, torch.ones_like(x))), b)
