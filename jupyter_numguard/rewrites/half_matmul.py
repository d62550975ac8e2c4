"""half_matmul: A product of float16 tensors ends at 65504; computed in float32 it does not."""

FIXES = {"NG501"}
DTYPE = "float16"
BENIGN = [([[0.5, 1.0], [2.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]])]
STRESS = [([[300.0, 300.0]], [[300.0], [300.0]])]


def before_torch(torch, x, y):
    return x @ y


def after_torch(torch, x, y):
    return x.float() @ y.float()


def before_tensorflow(tf, x, y):
    return x @ y


def after_tensorflow(tf, x, y):
    return tf.cast(x, tf.float32) @ tf.cast(y, tf.float32)


def before_numpy(np, x, y):
    return x @ y


def after_numpy(np, x, y):
    return x.astype(np.float32) @ y.astype(np.float32)
