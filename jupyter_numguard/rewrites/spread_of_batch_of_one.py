"""spread_of_batch_of_one: A batch of one has no unbiased spread (it divides by 0); 0 stands for it there."""

FIXES = {"NG401"}
BENIGN = [([[0.5, 3.0], [2.0, 1.0]], 0)]
STRESS = [([[3.0, 1.0]], 0)]


def before_torch(torch, x, dim):
    return torch.std(x, dim)


def after_torch(torch, x, dim):
    return torch.std(x, dim) if x.shape[dim] > 1 else torch.zeros_like(torch.sum(x, dim))


def before_torch_variance(torch, x, dim):
    return torch.var(x, dim)


def after_torch_variance(torch, x, dim):
    return torch.var(x, dim) if x.shape[dim] > 1 else torch.zeros_like(torch.sum(x, dim))
