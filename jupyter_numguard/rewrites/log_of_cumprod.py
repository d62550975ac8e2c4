"""log_of_cumprod: A running product leaves the range before its logarithm is taken; the running sum of logarithms does not."""

FIXES = {"NG205", "NG208"}
BENIGN = [([0.5, 0.25, 0.9], 0)]
STRESS = [([1e-30] * 20, 0)]
NEIGHBOURHOOD = "where the product has lost its digits (below 1e-290)"


def before_torch(torch, x, dim):
    return torch.log(torch.cumprod(x, dim))


def after_torch(torch, x, dim):
    return torch.cumsum(torch.log(x), dim)


def before_tensorflow(tf, x, dim=0):
    return tf.math.log(tf.math.cumprod(x, axis=dim))


def after_tensorflow(tf, x, dim=0):
    return tf.math.cumsum(tf.math.log(x), axis=dim)


def before_numpy(np, x, dim=None):
    return np.log(np.cumprod(x, axis=dim))


def after_numpy(np, x, dim=None):
    return np.cumsum(np.log(x), axis=dim)


def guarded_torch(torch, x, dim):
    return torch.abs(torch.cumprod(x, dim)) < 1e-290


def guarded_tensorflow(tf, x, dim=0):
    return tf.abs(tf.math.cumprod(x, axis=dim)) < 1e-290


def guarded_numpy(np, x, dim=None):
    return np.abs(np.cumprod(x, axis=dim)) < 1e-290
