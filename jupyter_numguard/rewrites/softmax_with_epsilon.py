"""softmax_with_epsilon: A tiny number beside the sum does not keep exponentials from overflow; softmax does."""

FIXES = {"NG203", "NG501", "NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the sum overflows, or what was added is more than 1e-5 of it"
BENIGN = [([[0.5, -1.0, 2.0], [3.0, 0.0, -3.0]], -1, 1e-9)]
STRESS = [([[800.0, 1.0, 0.0]], -1, 1e-9)]


def before_torch(torch, x, dim, c):
    return torch.exp(x) / (torch.sum(torch.exp(x), dim, keepdim=True) + c)


def after_torch(torch, x, dim, c):
    return torch.softmax(x, dim)


def before_tensorflow(tf, x, dim, c):
    return tf.exp(x) / (tf.reduce_sum(tf.exp(x), axis=dim, keepdims=True) + c)


def after_tensorflow(tf, x, dim, c):
    return tf.nn.softmax(x, axis=dim)


def before_numpy(np, x, dim, c):
    return np.exp(x) / (np.sum(np.exp(x), axis=dim, keepdims=True) + c)


def after_numpy(np, x, dim, c):
    return np.exp(x - np.logaddexp.reduce(x, axis=dim, keepdims=True))


def guarded_torch(torch, x, dim, c):
    total = torch.sum(torch.exp(x), dim, keepdim=True)
    return ((total * 1e-5 < c) | torch.isinf(total)).expand(x.shape)


def guarded_tensorflow(tf, x, dim, c):
    total = tf.reduce_sum(tf.exp(x), axis=dim, keepdims=True)
    return tf.broadcast_to((total * 1e-5 < c) | tf.math.is_inf(total), tf.shape(x))


def guarded_numpy(np, x, dim, c):
    total = np.sum(np.exp(x), axis=dim, keepdims=True)
    return np.broadcast_to((total * 1e-5 < c) | np.isinf(total), np.shape(x))
