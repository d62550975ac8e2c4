"""guard_correlation: A constant variable has no spread to divide by; its correlations are 0, the others stay as they are."""

FIXES = {"NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where a variable is constant"
HAS_GRADIENT = False
BENIGN = [[[1.0, 2.0, 4.0], [3.0, 1.0, 2.0], [2.0, 7.0, 3.0]]]
STRESS = [[[1.0, 5.0, 2.0], [5.0, 5.0, 5.0], [2.0, 5.0, 4.0]]]


def before_numpy(np, x):
    return np.corrcoef(x)


def after_numpy(np, x):
    return np.cov(x) / np.maximum(np.outer(np.std(x, axis=1, ddof=1), np.std(x, axis=1, ddof=1)), 1e-12)


def before_numpy_columns(np, x):
    return np.corrcoef(x, rowvar=False)


def after_numpy_columns(np, x):
    return np.cov(x, rowvar=False) / np.maximum(np.outer(np.std(x, axis=0, ddof=1), np.std(x, axis=0, ddof=1)), 1e-12)


def before_torch(torch, x):
    return torch.corrcoef(x)


def after_torch(torch, x):
    return torch.cov(x) / torch.clamp(torch.outer(torch.std(x, dim=1), torch.std(x, dim=1)), min=1e-12)
