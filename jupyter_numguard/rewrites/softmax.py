"""softmax: `exp(x) / sum(exp(x))` is Inf/Inf for large x; softmax shifts by the maximum first."""

FIXES = {"NG203", "NG501", "NG401"}
NEIGHBOURHOOD = "where the sum overflows"
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


def guarded_torch(torch, x, dim):
    total = torch.sum(torch.exp(x), dim, keepdim=True)
    return torch.isinf(total).expand(x.shape)


def guarded_tensorflow(tf, x, dim):
    total = tf.reduce_sum(tf.exp(x), axis=dim, keepdims=True)
    return tf.broadcast_to(tf.math.is_inf(total), tf.shape(x))


def guarded_numpy(np, x, dim):
    total = np.sum(np.exp(x), axis=dim, keepdims=True)
    return np.broadcast_to(np.isinf(total), np.shape(x))
