"""softplus: `log(1 + exp(x))` overflows for large x, where it is x itself; softplus knows that."""

FIXES = {"NG203", "NG501"}
BENIGN = [[0.5, -1.0, 2.0]]
STRESS = [[800.0, 1.0]]
NEIGHBOURHOOD = "where 1 + exp(x) is rounded to 1"


def before_torch(torch, x):
    return torch.log(1 + torch.exp(x))


def after_torch(torch, x):
    return torch.nn.functional.softplus(x)


def guarded_torch(torch, x):
    return x < -20


def before_torch_log1p(torch, x):
    return torch.log1p(torch.exp(x))


def after_torch_log1p(torch, x):
    return torch.nn.functional.softplus(x)


def before_tensorflow(tf, x):
    return tf.math.log(1 + tf.exp(x))


def after_tensorflow(tf, x):
    return tf.math.softplus(x)


def guarded_tensorflow(tf, x):
    return x < -20


def before_tensorflow_log1p(tf, x):
    return tf.math.log1p(tf.exp(x))


def after_tensorflow_log1p(tf, x):
    return tf.math.softplus(x)


def before_numpy(np, x):
    return np.log(1 + np.exp(x))


def after_numpy(np, x):
    return np.logaddexp(0, x)


def guarded_numpy(np, x):
    return x < -20


def before_numpy_log1p(np, x):
    return np.log1p(np.exp(x))


def after_numpy_log1p(np, x):
    return np.logaddexp(0, x)
