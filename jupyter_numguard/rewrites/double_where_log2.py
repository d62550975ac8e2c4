"""double_where_log2: `where` computes log2 also where the condition fails; a selection inside makes it safe there.

The value is the same everywhere; only the gradient through what is not selected changes, from NaN to 0.
"""

FIXES = {"NG302"}
BENIGN = [([True, False], [4.0, 2.0], [0.5, -1.0])]
STRESS = [([True, False], [4.0, 0.0], [0.5, -1.0])]


def before_torch(torch, c, x, b):
    return torch.where(c, torch.log2(x), b)


def after_torch(torch, c, x, b):
    return torch.where(c, torch.log2(torch.where(c, x, torch.ones_like(x))), b)
