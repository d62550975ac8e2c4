"""softmax_of_vector_with_epsilon: A tiny number beside the sum does not prevent overflow; softmax does."""

FIXES = {"NG203", "NG501", "NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the sum overflows, or what was added is more than 1e-5 of it"
BENIGN = [([0.5, -1.0, 2.0], 1e-9)]
STRESS = [([800.0, 1.0, 0.0], 1e-9)]


def before_torch(torch, x, c):
    return torch.exp(x) / (torch.sum(torch.exp(x)) + c)


def after_torch(torch, x, c):
    return torch.softmax(x, 0)


def before_tensorflow(tf, x, c):
    return tf.exp(x) / (tf.reduce_sum(tf.exp(x)) + c)


def after_tensorflow(tf, x, c):
    return tf.nn.softmax(x)


def before_numpy(np, x, c):
    return np.exp(x) / (np.sum(np.exp(x)) + c)


def after_numpy(np, x, c):
    return np.exp(x - np.logaddexp.reduce(x, axis=None))


def guarded_torch(torch, x, c):
    total = torch.sum(torch.exp(x))
    return ((total * 1e-5 < c) | torch.isinf(total)).expand(x.shape)


def guarded_tensorflow(tf, x, c):
    total = tf.reduce_sum(tf.exp(x))
    return tf.broadcast_to((total * 1e-5 < c) | tf.math.is_inf(total), tf.shape(x))


def guarded_numpy(np, x, c):
    total = np.sum(np.exp(x))
    return np.broadcast_to((total * 1e-5 < c) | np.isinf(total), np.shape(x))
