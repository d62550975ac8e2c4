"""half_sum: A sum in float16 ends at 65504; accumulated and returned in float32 it does not."""

FIXES = {"NG501"}
DTYPE = "float16"
BENIGN = [[0.5, 1.0, 2.0]]
STRESS = [[60000.0, 60000.0]]


def before_torch(torch, x, dim=None, keepdim=False):
    return torch.sum(x, dim, keepdim=keepdim)


def after_torch(torch, x, dim=None, keepdim=False):
    return torch.sum(x, dim, keepdim=keepdim, dtype=torch.float32)


def before_tensorflow(tf, x):
    return tf.reduce_sum(x)


def after_tensorflow(tf, x):
    return tf.reduce_sum(tf.cast(x, tf.float32))


def before_numpy(np, x, dim=None, keepdim=False):
    return np.sum(x, axis=dim, keepdims=keepdim)


def after_numpy(np, x, dim=None, keepdim=False):
    return np.sum(x, axis=dim, keepdims=keepdim, dtype=np.float32)
