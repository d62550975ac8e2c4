"""entropy_gradient: xlogy(x, x) is 0 at 0 and its derivative is not finite there; just above 0 both are."""

FIXES = {"NG301"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the operand is below 1e-12"
BENIGN = [[0.5, 3.0, 1e-3]]
STRESS = [[0.0, 1.0]]


def before_torch(torch, x):
    return torch.xlogy(x, x)


def after_torch(torch, x):
    return torch.xlogy(torch.clamp(x, min=1e-12), torch.clamp(x, min=1e-12))


def guarded_torch(torch, x):
    return x < 1e-12
