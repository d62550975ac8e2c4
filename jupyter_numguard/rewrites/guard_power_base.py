"""guard_power_base: A negative power of exactly 0 is Inf; of a tiny number in its place it is large and finite."""

FIXES = {"NG102"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the base is 0"
BENIGN = [([0.5, 3.0, 20.0], -0.5)]
STRESS = [([0.0, 4.0], -0.5)]


def before_torch(torch, x, p):
    return x**p


def after_torch(torch, x, p):
    return torch.where(x == 0, 1e-12, x) ** p


def guarded_torch(torch, x, p):
    return x == 0


def before_tensorflow(tf, x, p):
    return x**p


def after_tensorflow(tf, x, p):
    return tf.where(tf.equal(x, 0), tf.cast(1e-12, x.dtype), x) ** p


def guarded_tensorflow(tf, x, p):
    return tf.equal(x, 0)


def before_numpy(np, x, p):
    return x**p


def after_numpy(np, x, p):
    return np.where(x == 0, 1e-12, x) ** p


def guarded_numpy(np, x, p):
    return x == 0
