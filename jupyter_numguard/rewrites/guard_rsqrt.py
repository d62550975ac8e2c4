"""guard_rsqrt: 1 / sqrt(0) is Inf; a number that is bounded away from 0 has a finite one."""

FIXES = {"NG102", "NG301"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the argument is below 1e-12"
BENIGN = [[0.5, 3.0, 20.0]]
STRESS = [[0.0, 1.0]]


def before_torch(torch, x):
    return torch.rsqrt(x)


def after_torch(torch, x):
    return torch.rsqrt(torch.clamp(x, min=1e-12))


def guarded_torch(torch, x):
    return x < 1e-12


def before_tensorflow(tf, x):
    return tf.math.rsqrt(x)


def after_tensorflow(tf, x):
    return tf.math.rsqrt(tf.maximum(x, 1e-12))


def guarded_tensorflow(tf, x):
    return x < 1e-12
