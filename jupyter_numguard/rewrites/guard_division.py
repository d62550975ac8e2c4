"""guard_division: A divisor of exactly 0 makes Inf or NaN; a tiny number in its place makes a large finite quotient."""

FIXES = {"NG102", "NG301"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the divisor is 0"
BENIGN = [([0.5, 1.0, 2.0], [4.0, -2.0, 1e-3])]
STRESS = [([0.0, 1.0, 2.0], [0.0, 0.0, 3.0])]


def before_torch(torch, x, y):
    return x / y


def after_torch(torch, x, y):
    return x / torch.where(y == 0, 1e-12, y)


def guarded_torch(torch, x, y):
    return (y == 0).expand(torch.broadcast_shapes(x.shape if hasattr(x, "shape") else (), y.shape))


def before_tensorflow(tf, x, y):
    return x / y


def after_tensorflow(tf, x, y):
    return tf.math.divide_no_nan(x, y)


def guarded_tensorflow(tf, x, y):
    return tf.equal(y + 0 * x, 0)


def before_numpy(np, x, y):
    return x / y


def after_numpy(np, x, y):
    return x / np.where(y == 0, 1e-12, y)


def guarded_numpy(np, x, y):
    return np.broadcast_arrays(y == 0, x)[0]
