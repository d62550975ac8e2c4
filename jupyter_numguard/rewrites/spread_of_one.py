"""spread_of_one: One element has no unbiased spread (it divides by 0); where there is only one, 0 stands for it."""

FIXES = {"NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "spreads of one element"
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


def before_numpy(np, x):
    return np.std(x, ddof=1)


def after_numpy(np, x):
    return np.std(x, ddof=1) if np.size(x) > 1 else np.zeros_like(np.sum(x))


def before_numpy_variance(np, x):
    return np.var(x, ddof=1)


def after_numpy_variance(np, x):
    return np.var(x, ddof=1) if np.size(x) > 1 else np.zeros_like(np.sum(x))
