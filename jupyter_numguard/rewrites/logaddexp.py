"""logaddexp: `log(exp(a) + exp(b))` overflows for large operands; the fused form does not."""

FIXES = {"NG101", "NG203", "NG501"}
BENIGN = [([0.5, -1.0, 2.0], [1.5, 3.0, -2.0])]
STRESS = [([800.0, 1.0], [1.0, 900.0])]


def before_torch(torch, a, b):
    return torch.log(torch.exp(a) + torch.exp(b))


def after_torch(torch, a, b):
    return torch.logaddexp(a, b)


def before_tensorflow(tf, a, b):
    return tf.math.log(tf.exp(a) + tf.exp(b))


def after_tensorflow(tf, a, b):
    return tf.reduce_logsumexp(tf.stack([a, b]), axis=0)


def before_numpy(np, a, b):
    return np.log(np.exp(a) + np.exp(b))


def after_numpy(np, a, b):
    return np.logaddexp(a, b)
