"""guard_division_half: 1e-12 is 0 in float16; where the divisor is 0, the spacing of the numbers at 1 divides in its place."""

FIXES = {"NG102", "NG401", "NG502"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the divisor is 0"
DTYPE = "float16"
BENIGN = [([0.5, 1.0, 2.0], [4.0, -2.0, 0.5])]
STRESS = [([0.0, 1.0, 2.0], [0.0, 0.0, 3.0])]
HAS_GRADIENT = False  # 1 / eps² is too large for float16


def before_torch(torch, x, y):
    return x / y


def after_torch(torch, x, y):
    return x / torch.where(y == 0, torch.finfo(y.dtype).eps, y)


def guarded_torch(torch, x, y):
    return (y == 0).expand(torch.broadcast_shapes(x.shape if hasattr(x, "shape") else (), y.shape))


def before_numpy(np, x, y):
    return x / y


def after_numpy(np, x, y):
    return x / np.where(y == 0, np.finfo(y.dtype).eps, y)


def guarded_numpy(np, x, y):
    return np.broadcast_arrays(y == 0, x)[0]
