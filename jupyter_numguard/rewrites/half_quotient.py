"""half_quotient: The product of two small float16 numbers is 0, and cannot divide; in float32 it is small."""

FIXES = {"NG502"}
DTYPE = "float16"
BENIGN = [([0.5, 1.0], [2.0, 3.0], [4.0, 0.5])]
STRESS = [([1e-5, 1.0], [1e-5, 1.0], [1e-5, 1.0])]
HAS_GRADIENT = False  # it exceeds float16 wherever the product underflows


def before_torch(torch, x, y, z):
    return x / (y * z)


def after_torch(torch, x, y, z):
    return x.float() / (y.float() * z.float())


def before_numpy(np, x, y, z):
    return x / (y * z)


def after_numpy(np, x, y, z):
    return x.astype(np.float32) / (y.astype(np.float32) * z.astype(np.float32))


def before_tensorflow(tf, x, y, z):
    return x / (y * z)


def after_tensorflow(tf, x, y, z):
    return tf.cast(x, tf.float32) / (tf.cast(y, tf.float32) * tf.cast(z, tf.float32))
