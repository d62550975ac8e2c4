"""log_cosh: cosh overflows for |x| above 89 in float32; its logarithm is log(exp(x) + exp(-x)) - log(2), and that does not."""

FIXES = {"NG203", "NG501"}
BENIGN = [[0.5, -1.0, 20.0]]
STRESS = [[800.0, -800.0, 1.0]]


def before_torch(torch, x):
    return torch.log(torch.cosh(x))


def after_torch(torch, x):
    return torch.logaddexp(x, -x) - 0.6931471805599453


def before_tensorflow(tf, x):
    return tf.math.log(tf.cosh(x))


def after_tensorflow(tf, x):
    return x + tf.math.softplus(-2.0 * x) - 0.6931471805599453


def before_numpy(np, x):
    return np.log(np.cosh(x))


def after_numpy(np, x):
    return np.logaddexp(x, -x) - np.log(2)
