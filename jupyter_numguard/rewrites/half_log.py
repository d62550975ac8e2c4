"""half_log: A tiny number added before a float16 logarithm is rounded to 0 (float16 ends at 6e-8); in float32 it is not."""

FIXES = {"NG502"}
DTYPE = "float16"
BENIGN = [([0.5, 1.0], 1e-8)]
STRESS = [([0.0, 1.0], 1e-8)]
HAS_GRADIENT = False  # it exceeds float16 where the argument is tiny


def before_torch(torch, x, c):
    return torch.log(x + c)


def after_torch(torch, x, c):
    return torch.log(x.float() + c)


def before_tensorflow(tf, x, c):
    return tf.math.log(x + c)


def after_tensorflow(tf, x, c):
    return tf.math.log(tf.cast(x, tf.float32) + c)


def before_numpy(np, x, c):
    return np.log(x + c)


def after_numpy(np, x, c):
    return np.log(x.astype(np.float32) + c)
