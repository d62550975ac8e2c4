"""half_product: A product or power of float16 numbers ends at 65504; computed in float32 it does not."""

FIXES = {"NG501"}
DTYPE = "float16"
BENIGN = [([0.5, 1.0], [2.0, 3.0])]
STRESS = [([300.0, 1.0], [300.0, 1.0])]


def before_torch(torch, x, y):
    return x * y


def after_torch(torch, x, y):
    return x.float() * y


def before_numpy(np, x, y):
    return x * y


def after_numpy(np, x, y):
    return x.astype(np.float32) * y


def before_tensorflow(tf, x, y):
    return x * y


def after_tensorflow(tf, x, y):
    return tf.cast(x, tf.float32) * tf.cast(y, tf.float32)
