"""softmax_of_vector: `exp(x) / sum(exp(x))` of a vector is Inf/Inf for large x; softmax shifts by the maximum first."""

FIXES = {"NG203", "NG501", "NG401"}
BENIGN = [[0.5, -1.0, 2.0]]
STRESS = [[800.0, 1.0, 0.0]]


def before_torch(torch, x):
    return torch.exp(x) / torch.sum(torch.exp(x))


def after_torch(torch, x):
    return torch.softmax(x, 0)


def before_tensorflow(tf, x):
    return tf.exp(x) / tf.reduce_sum(tf.exp(x))


def after_tensorflow(tf, x):
    return tf.nn.softmax(x)


def before_numpy(np, x):
    return np.exp(x) / np.sum(np.exp(x))


def after_numpy(np, x):
    return np.exp(x - np.logaddexp.reduce(x, axis=None))
