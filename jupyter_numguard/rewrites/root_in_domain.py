"""root_in_domain: The root of a number that rounding left just below 0 is NaN; bounded at 0 it is 0."""

FIXES = {"NG103"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the argument is below 1e-12"
BENIGN = [[0.5, 3.0, 20.0]]
STRESS = [[-1e-8, 1.0]]


def before_torch(torch, x):
    return torch.sqrt(x)


def after_torch(torch, x):
    return torch.sqrt(torch.clamp(x, min=1e-12))


def guarded_torch(torch, x):
    return x < 1e-12


def before_tensorflow(tf, x):
    return tf.sqrt(x)


def after_tensorflow(tf, x):
    return tf.sqrt(tf.maximum(x, 1e-12))


def guarded_tensorflow(tf, x):
    return x < 1e-12


def before_numpy(np, x):
    return np.sqrt(x)


def after_numpy(np, x):
    return np.sqrt(np.maximum(x, 0))


def guarded_numpy(np, x):
    return x < 0
