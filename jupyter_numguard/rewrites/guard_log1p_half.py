"""guard_log1p_half: -1 + 1e-6 is -1 again in float16 and bfloat16; the next number above -1 that the dtype has is not."""

FIXES = {"NG101"}
SAME_MATHEMATICS = False
GENERAL = True  # 1e-6 above is enough for the wider dtypes
NEIGHBOURHOOD = "where the argument is next to -1"
DTYPE = "float16"
BENIGN = [[0.5, -0.5, 2.0]]
STRESS = [[-1.0, 1.0]]


def before_torch(torch, x):
    return torch.log1p(x)


def after_torch(torch, x):
    return torch.log1p(torch.clamp(x, min=torch.finfo(x.dtype).eps - 1))


def guarded_torch(torch, x):
    return x < torch.finfo(x.dtype).eps - 1
