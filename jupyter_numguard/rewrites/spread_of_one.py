"""spread_of_one: One element has no unbiased spread (it divides by 0); where there is only one, 0 stands for it."""

FIXES = {"NG401"}
BENIGN = [[0.5, 3.0, 2.0]]
STRESS = [[3.0]]


def before_torch(torch, x):
    return torch.std(x)


def after_torch(torch, x):
    return torch.std(x) if x.numel() > 1 else torch.zeros_like(torch.sum(x))


def before_torch_variance(torch, x):
    return torch.var(x)


def after_torch_variance(torch, x):
    return torch.var(x) if x.numel() > 1 else torch.zeros_like(torch.sum(x))
