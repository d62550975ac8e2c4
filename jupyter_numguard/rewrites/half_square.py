"""half_square: The square of a float16 number above 255 exceeds 65504; in float32 it does not."""

FIXES = {"NG501"}
DTYPE = "float16"
BENIGN = [[0.5, 1.0]]
STRESS = [[300.0, 1.0]]


def before_torch(torch, x):
    return x**2


def after_torch(torch, x):
    return x.float() ** 2


def before_numpy(np, x):
    return x**2


def after_numpy(np, x):
    return x.astype(np.float32) ** 2


def before_tensorflow(tf, x):
    return x**2


def after_tensorflow(tf, x):
    return tf.cast(x, tf.float32) ** 2


def before_torch_square(torch, x):
    return torch.square(x)


def after_torch_square(torch, x):
    return torch.square(x.float())


def before_numpy_square(np, x):
    return np.square(x)


def after_numpy_square(np, x):
    return np.square(x.astype(np.float32))
