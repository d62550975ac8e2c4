"""spread_of_batch_of_one: A batch of one has no unbiased spread (it divides by 0); 0 stands for it there."""

FIXES = {"NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "spreads of one element"
BENIGN = [([[0.5, 3.0], [2.0, 1.0]], 0)]
STRESS = [([[3.0, 1.0]], 0)]


def before_torch(torch, x, dim, keepdim=False):
    return torch.std(x, dim, keepdim=keepdim)


def after_torch(torch, x, dim, keepdim=False):
    return (
        torch.std(x, dim, keepdim=keepdim) if x.shape[dim] > 1 else torch.zeros_like(torch.sum(x, dim, keepdim=keepdim))
    )


def before_numpy(np, x, dim, keepdim=False):
    return np.std(x, axis=dim, ddof=1, keepdims=keepdim)


def after_numpy(np, x, dim, keepdim=False):
    return (
        np.std(x, axis=dim, ddof=1, keepdims=keepdim)
        if x.shape[dim] > 1
        else np.zeros_like(np.sum(x, axis=dim, keepdims=keepdim))
    )


def before_torch_variance(torch, x, dim, keepdim=False):
    return torch.var(x, dim, keepdim=keepdim)


def after_torch_variance(torch, x, dim, keepdim=False):
    return (
        torch.var(x, dim, keepdim=keepdim) if x.shape[dim] > 1 else torch.zeros_like(torch.sum(x, dim, keepdim=keepdim))
    )


def before_numpy_variance(np, x, dim, keepdim=False):
    return np.var(x, axis=dim, ddof=1, keepdims=keepdim)


def after_numpy_variance(np, x, dim, keepdim=False):
    return (
        np.var(x, axis=dim, ddof=1, keepdims=keepdim)
        if x.shape[dim] > 1
        else np.zeros_like(np.sum(x, axis=dim, keepdims=keepdim))
    )
