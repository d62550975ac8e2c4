"""double_where_log2_else: `where` computes log2 also where the condition holds; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.
"""

FIXES = {"NG302"}
BENIGN = [([False, True], [4.0, 2.0], [0.5, -1.0])]
STRESS = [([False, True], [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, x, b):
    return torch.where(c, b, torch.log2(x))


def after_torch(torch, c, x, b):
    return torch.where(c, b, torch.log2(torch.where(c, torch.ones_like(x), x)))
