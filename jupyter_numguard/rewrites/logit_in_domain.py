"""logit_in_domain: The logit of a probability of exactly 0 or 1 is infinite; `eps` keeps the argument just inside."""

FIXES = {"NG103"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "within 1e-6 of 0 and 1"
BENIGN = [[0.5, 0.9, 0.1]]
STRESS = [[1.0, 0.5, 0.0]]


def before_torch(torch, x):
    return torch.logit(x)


def after_torch(torch, x):
    return torch.logit(x, eps=1e-6)


def guarded_torch(torch, x):
    return (x < 2e-6) | (x > 1 - 2e-6)


def before_numpy(np, x):
    import scipy.special

    return scipy.special.logit(x)


def after_numpy(np, x):
    import scipy.special

    return scipy.special.logit(np.clip(x, 1e-6, 1 - 1e-6))


def guarded_numpy(np, x):
    return (x < 2e-6) | (x > 1 - 2e-6)


def before_numpy_by_name(np, x):
    import scipy.special

    return scipy.special.logit(x)


def after_numpy_by_name(np, x):
    return np.log(np.clip(x, 1e-6, 1 - 1e-6)) - np.log1p(-np.clip(x, 1e-6, 1 - 1e-6))
