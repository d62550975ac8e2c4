"""logsumexp_of_all: `log(sum(exp(x)))` over all elements, in the shifted form."""

FIXES = {"NG101", "NG203", "NG501"}
BENIGN = [[0.5, -1.0, 2.0], [[0.5, -1.0], [2.0, 1.0]]]
STRESS = [[1000.0, 1000.5]]


def before_torch(torch, x):
    return torch.log(torch.sum(torch.exp(x)))


def after_torch(torch, x):
    return torch.logsumexp(x.flatten(), 0)


def before_numpy(np, x):
    return np.log(np.sum(np.exp(x)))


def after_numpy(np, x):
    return np.logaddexp.reduce(x, axis=None)
