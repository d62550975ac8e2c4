"""softmax_of_vector_with_epsilon: A tiny number beside the sum does not prevent overflow; softmax does."""

FIXES = {"NG203", "NG501", "NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where what was added is more than 1e-5 of the sum"
BENIGN = [([0.5, -1.0, 2.0], 1e-9)]
STRESS = [([800.0, 1.0, 0.0], 1e-9)]


def before_torch(torch, x, c):
    return torch.exp(x) / (torch.sum(torch.exp(x)) + c)


def after_torch(torch, x, c):
    return torch.softmax(x, 0)


def guarded_torch(torch, x, c):
    return (torch.sum(torch.exp(x)) * 1e-5 < c).expand(x.shape)


def before_tensorflow(tf, x, c):
    return tf.exp(x) / (tf.reduce_sum(tf.exp(x)) + c)


def after_tensorflow(tf, x, c):
    return tf.nn.softmax(x)


def guarded_tensorflow(tf, x, c):
    return tf.broadcast_to(tf.reduce_sum(tf.exp(x)) * 1e-5 < c, tf.shape(x))


def before_numpy(np, x, c):
    return np.exp(x) / (np.sum(np.exp(x)) + c)


def after_numpy(np, x, c):
    return np.exp(x - np.logaddexp.reduce(x, axis=None))


def guarded_numpy(np, x, c):
    return np.broadcast_to(np.sum(np.exp(x)) * 1e-5 < c, np.shape(x))
