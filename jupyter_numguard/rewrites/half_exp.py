"""half_exp: exp ends at 11.09 in float16; computed in float32 it goes on to 88.7."""

FIXES = {"NG501"}
DTYPE = "float16"
BENIGN = [[0.5, 1.0]]
STRESS = [[15.0, 1.0]]
HAS_GRADIENT = False  # it is the value itself, and is handed back in float16


def before_torch(torch, x):
    return torch.exp(x)


def after_torch(torch, x):
    return torch.exp(x.float())


def before_tensorflow(tf, x):
    return tf.exp(x)


def after_tensorflow(tf, x):
    return tf.exp(tf.cast(x, tf.float32))


def before_numpy(np, x):
    return np.exp(x)


def after_numpy(np, x):
    return np.exp(x.astype(np.float32))
