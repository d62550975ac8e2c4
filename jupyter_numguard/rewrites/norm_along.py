"""norm_along: As norm, along a dimension."""

FIXES = {"NG301"}
BENIGN = [([[0.5, -1.0, 2.0]], 1)]
STRESS = [([[0.0, 0.0], [3.0, 4.0]], 1)]


def before_torch(torch, x, dim, keepdim=False):
    return torch.sqrt(torch.sum(x**2, dim, keepdim=keepdim))


def after_torch(torch, x, dim, keepdim=False):
    return torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim)


def before_torch_power(torch, x, dim, keepdim=False):
    return torch.sum(x**2, dim, keepdim=keepdim) ** 0.5


def after_torch_power(torch, x, dim, keepdim=False):
    return torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim)
