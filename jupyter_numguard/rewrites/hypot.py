"""hypot: The square of a large number overflows before its root is taken; the fused form scales first."""

FIXES = {"NG207"}
BENIGN = [([0.5, 3.0, 20.0], [0.25, -4.0, 1.0])]
DTYPE = "float32"
STRESS = [([1e30, 1.0], [1e30, 2.0])]


def before_torch(torch, x, y):
    return torch.sqrt(x**2 + y**2)


def after_torch(torch, x, y):
    return torch.hypot(x, y)


def before_torch_product(torch, x, y):
    return torch.sqrt(x * x + y * y)


def after_torch_product(torch, x, y):
    return torch.hypot(x, y)


def before_torch_power(torch, x, y):
    return (x**2 + y**2) ** 0.5


def after_torch_power(torch, x, y):
    return torch.hypot(x, y)


def before_tensorflow(tf, x, y):
    return tf.sqrt(x**2 + y**2)


def after_tensorflow(tf, x, y):
    return tf.abs(tf.complex(x, y))


def before_tensorflow_product(tf, x, y):
    return tf.sqrt(x * x + y * y)


def after_tensorflow_product(tf, x, y):
    return tf.abs(tf.complex(x, y))


def before_tensorflow_power(tf, x, y):
    return (x**2 + y**2) ** 0.5


def after_tensorflow_power(tf, x, y):
    return tf.abs(tf.complex(x, y))


def before_numpy(np, x, y):
    return np.sqrt(x**2 + y**2)


def after_numpy(np, x, y):
    return np.hypot(x, y)


def before_numpy_product(np, x, y):
    return np.sqrt(x * x + y * y)


def after_numpy_product(np, x, y):
    return np.hypot(x, y)


def before_numpy_power(np, x, y):
    return (x**2 + y**2) ** 0.5


def after_numpy_power(np, x, y):
    return np.hypot(x, y)
