"""tanh: The quotient of exponentials is Inf/Inf for large x; tanh itself is 1 there."""

FIXES = {"NG203", "NG501"}
BENIGN = [[0.5, -1.0, 2.0]]
STRESS = [[800.0, -800.0, 1.0]]


def before_torch(torch, x):
    return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))


def after_torch(torch, x):
    return torch.tanh(x)


def before_tensorflow(tf, x):
    return (tf.exp(x) - tf.exp(-x)) / (tf.exp(x) + tf.exp(-x))


def after_tensorflow(tf, x):
    return tf.tanh(x)


def before_numpy(np, x):
    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))


def after_numpy(np, x):
    return np.tanh(x)


def before_torch_double(torch, x):
    return (torch.exp(2 * x) - 1) / (torch.exp(2 * x) + 1)


def after_torch_double(torch, x):
    return torch.tanh(x)


def before_tensorflow_double(tf, x):
    return (tf.exp(2 * x) - 1) / (tf.exp(2 * x) + 1)


def after_tensorflow_double(tf, x):
    return tf.tanh(x)


def before_numpy_double(np, x):
    return (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)


def after_numpy_double(np, x):
    return np.tanh(x)


def before_torch_negative(torch, x):
    return (1 - torch.exp(-2 * x)) / (1 + torch.exp(-2 * x))


def after_torch_negative(torch, x):
    return torch.tanh(x)


def before_tensorflow_negative(tf, x):
    return (1 - tf.exp(-2 * x)) / (1 + tf.exp(-2 * x))


def after_tensorflow_negative(tf, x):
    return tf.tanh(x)


def before_numpy_negative(np, x):
    return (1 - np.exp(-2 * x)) / (1 + np.exp(-2 * x))


def after_numpy_negative(np, x):
    return np.tanh(x)
