"""half_root_ratio: A tiny number under a float16 root is rounded to 0 (float16 ends at 6e-8); in float32 it is not."""

FIXES = {"NG502"}
DTYPE = "float16"
BENIGN = [([0.5, 1.0], [2.0, 3.0], 1e-8)]
STRESS = [([0.0, 1.0], [0.0, 1.0], 1e-8)]
HAS_GRADIENT = False  # it exceeds float16 where the divisor is tiny


def before_torch(torch, x, y, c):
    return x / torch.sqrt(y + c)


def after_torch(torch, x, y, c):
    return x.float() / torch.sqrt(y.float() + c)


def before_tensorflow(tf, x, y, c):
    return x / tf.sqrt(y + c)


def after_tensorflow(tf, x, y, c):
    return tf.cast(x, tf.float32) / tf.sqrt(tf.cast(y, tf.float32) + c)


def before_numpy(np, x, y, c):
    return x / np.sqrt(y + c)


def after_numpy(np, x, y, c):
    return x.astype(np.float32) / np.sqrt(y.astype(np.float32) + c)
