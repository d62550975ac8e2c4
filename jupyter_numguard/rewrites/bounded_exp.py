"""bounded_exp: exp overflows above 88.7 in float32; with its argument bounded it stays finite (a log-variance, say)."""

FIXES = {"NG204"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the argument is above 80"
BENIGN = [[0.5, -3.0, 20.0]]
STRESS = [[800.0, 1.0]]


def before_torch(torch, x):
    return torch.exp(x)


def after_torch(torch, x):
    return torch.exp(torch.clamp(x, max=80.0))


def guarded_torch(torch, x):
    return x > 80


def before_tensorflow(tf, x):
    return tf.exp(x)


def after_tensorflow(tf, x):
    return tf.exp(tf.minimum(x, 80.0))


def guarded_tensorflow(tf, x):
    return x > 80


def before_numpy(np, x):
    return np.exp(x)


def after_numpy(np, x):
    return np.exp(np.minimum(x, 80.0))


def guarded_numpy(np, x):
    return x > 80
