"""softmax_of_vector: `exp(x) / sum(exp(x))` of a vector is Inf/Inf for large x; softmax shifts by the maximum first."""

FIXES = {"NG203", "NG501", "NG401"}
NEIGHBOURHOOD = "where the sum overflows"
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


def guarded_torch(torch, x):
    total = torch.sum(torch.exp(x))
    return torch.isinf(total).expand(x.shape)


def guarded_tensorflow(tf, x):
    total = tf.reduce_sum(tf.exp(x))
    return tf.broadcast_to(tf.math.is_inf(total), tf.shape(x))


def guarded_numpy(np, x):
    total = np.sum(np.exp(x))
    return np.broadcast_to(np.isinf(total), np.shape(x))
