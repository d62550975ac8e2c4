"""sigmoid: `exp(x) / (1 + exp(x))` is Inf/Inf for large x; the sigmoid is 1 there."""

FIXES = {"NG203", "NG501", "NG401"}
BENIGN = [[0.5, -1.0, 2.0]]
STRESS = [[800.0, -800.0, 1.0]]


def before_torch(torch, x):
    return torch.exp(x) / (1 + torch.exp(x))


def after_torch(torch, x):
    return torch.sigmoid(x)


def before_tensorflow(tf, x):
    return tf.exp(x) / (1 + tf.exp(x))


def after_tensorflow(tf, x):
    return tf.sigmoid(x)


def before_numpy(np, x):
    return np.exp(x) / (1 + np.exp(x))


def after_numpy(np, x):
    return np.exp(-np.logaddexp(0, -x))


def before_torch_of_minus(torch, x):
    return 1 / (1 + torch.exp(-x))


def after_torch_of_minus(torch, x):
    return torch.sigmoid(x)


def before_tensorflow_of_minus(tf, x):
    return 1 / (1 + tf.exp(-x))


def after_tensorflow_of_minus(tf, x):
    return tf.sigmoid(x)
