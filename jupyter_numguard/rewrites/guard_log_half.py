"""guard_log_half: 1e-12 is 0 in float16; the smallest normal number of the operand's own dtype keeps its logarithm finite."""

FIXES = {"NG101", "NG206", "NG502"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the argument is below the smallest normal number of its dtype"
DTYPE = "float16"
BENIGN = [[0.5, 1e-3, 2.0]]
STRESS = [[0.0, 1.0]]
HAS_GRADIENT = False  # 1 / x of the smallest numbers is too large for float16


def before_torch(torch, x):
    return torch.log(x)


def after_torch(torch, x):
    return torch.log(torch.clamp(x, min=torch.finfo(x.dtype).tiny))


def guarded_torch(torch, x):
    return x < 6.2e-5


def before_numpy(np, x):
    return np.log(x)


def after_numpy(np, x):
    return np.log(np.maximum(x, np.finfo(x.dtype).tiny))


def guarded_numpy(np, x):
    return x < 6.2e-5
