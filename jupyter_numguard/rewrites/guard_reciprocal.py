"""guard_reciprocal: The reciprocal of exactly 0 is Inf; of a tiny number in its place it is large and finite."""

FIXES = {"NG102"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the divisor is 0"
BENIGN = [[4.0, -2.0, 1e-3]]
STRESS = [[0.0, 3.0]]


def before_torch(torch, y):
    return torch.reciprocal(y)


def after_torch(torch, y):
    return torch.reciprocal(torch.where(y == 0, 1e-12, y))


def guarded_torch(torch, y):
    return y == 0


def before_tensorflow(tf, y):
    return tf.math.reciprocal(y)


def after_tensorflow(tf, y):
    return tf.math.reciprocal_no_nan(y)


def guarded_tensorflow(tf, y):
    return tf.equal(y, 0)


def before_numpy(np, y):
    return np.reciprocal(y)


def after_numpy(np, y):
    return np.reciprocal(np.where(y == 0, 1e-12, y))


def guarded_numpy(np, y):
    return y == 0
