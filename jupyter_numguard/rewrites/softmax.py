"""softmax: `exp(x) / sum(exp(x))` is Inf/Inf for large x; softmax shifts by the maximum first."""

FIXES = {"NG203", "NG501", "NG401"}
BENIGN = [([[0.5, -1.0, 2.0], [3.0, 0.0, -3.0]], -1)]
STRESS = [([[800.0, 1.0, 0.0]], -1)]


def before_torch(torch, x, dim):
    return torch.exp(x) / torch.sum(torch.exp(x), dim, keepdim=True)


def after_torch(torch, x, dim):
    return torch.softmax(x, dim)


def before_tensorflow(tf, x, dim):
    return tf.exp(x) / tf.reduce_sum(tf.exp(x), axis=dim, keepdims=True)


def after_tensorflow(tf, x, dim):
    return tf.nn.softmax(x, axis=dim)


def before_numpy(np, x, dim):
    return np.exp(x) / np.sum(np.exp(x), axis=dim, keepdims=True)


def after_numpy(np, x, dim):
    return np.exp(x - np.logaddexp.reduce(x, axis=dim, keepdims=True))
