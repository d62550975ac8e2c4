"""log_of_product: A product of many probabilities underflows to 0 before its logarithm; the sum of logarithms does not."""

FIXES = {"NG205", "NG208"}
BENIGN = [[0.5, 0.25, 0.9]]
STRESS = [[1e-30] * 20]


def before_torch(torch, x):
    return torch.log(torch.prod(x))


def after_torch(torch, x):
    return torch.sum(torch.log(x))


def before_tensorflow(tf, x):
    return tf.math.log(tf.reduce_prod(x))


def after_tensorflow(tf, x):
    return tf.reduce_sum(tf.math.log(x))


def before_numpy(np, x):
    return np.log(np.prod(x))


def after_numpy(np, x):
    return np.sum(np.log(x))
