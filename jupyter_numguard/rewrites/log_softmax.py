"""log_softmax: The softmax underflows to 0 and its logarithm is -Inf; log_softmax never forms the small number."""

FIXES = {"NG201"}
BENIGN = [([[0.5, -1.0, 2.0], [3.0, 0.0, -3.0]], -1)]
STRESS = [([[800.0, 0.0], [0.0, 0.0]], -1)]
NEIGHBOURHOOD = "where the softmax underflows"


def before_torch(torch, x, dim):
    return torch.log(torch.softmax(x, dim))


def after_torch(torch, x, dim):
    return torch.nn.functional.log_softmax(x, dim)


def guarded_torch(torch, x, dim):
    return torch.softmax(x, dim) < 2.3e-308


def before_tensorflow(tf, x, dim=-1):
    return tf.math.log(tf.nn.softmax(x, axis=dim))


def after_tensorflow(tf, x, dim=-1):
    return tf.nn.log_softmax(x, axis=dim)


def guarded_tensorflow(tf, x, dim=-1):
    return tf.nn.softmax(x, axis=dim) < 2.3e-308


def before_numpy(np, x, dim=None):
    import scipy.special

    return np.log(scipy.special.softmax(x, axis=dim))


def after_numpy(np, x, dim=None):
    import scipy.special

    return scipy.special.log_softmax(x, axis=dim)


def before_numpy_by_name(np, x, dim):
    import scipy.special

    return np.log(scipy.special.softmax(x, axis=dim))


def after_numpy_by_name(np, x, dim):
    return x - np.logaddexp.reduce(x, axis=dim, keepdims=True)
