"""norm: The derivative of the root of a sum of squares is not finite at 0; torch's norm has the subgradient 0 there."""

FIXES = {"NG301"}
BENIGN = [[0.5, -1.0, 2.0]]
STRESS = [[0.0, 0.0]]


def before_torch(torch, x):
    return torch.sqrt(torch.sum(x**2))


def after_torch(torch, x):
    return torch.linalg.vector_norm(x)


def before_torch_power(torch, x):
    return torch.sum(x**2) ** 0.5


def after_torch_power(torch, x):
    return torch.linalg.vector_norm(x)
