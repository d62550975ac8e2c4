"""guard_count: A count, sum or spread of 0 in the divisor makes 0/0; bounded from below it makes the quotient 0."""

FIXES = {"NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the divisor is below 1e-8"
BENIGN = [([0.5, 1.0, 2.0], [4.0, 2.0, 1e-3])]
STRESS = [([0.0, 1.0, 2.0], [0.0, 2.0, 3.0])]


def before_torch(torch, x, y):
    return x / y


def after_torch(torch, x, y):
    return x / torch.clamp(y, min=1e-8)


def guarded_torch(torch, x, y):
    return (y < 1e-8).expand(torch.broadcast_shapes(x.shape, y.shape))


def before_tensorflow(tf, x, y):
    return x / y


def after_tensorflow(tf, x, y):
    return tf.math.divide_no_nan(x, y)


def guarded_tensorflow(tf, x, y):
    return y + 0 * x < 1e-8


def before_numpy(np, x, y):
    return x / y


def after_numpy(np, x, y):
    return x / np.maximum(y, 1e-8)


def guarded_numpy(np, x, y):
    return np.broadcast_arrays(y < 1e-8, x)[0]
