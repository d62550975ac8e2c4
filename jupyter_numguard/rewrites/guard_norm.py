"""guard_norm: TensorFlow's norm has no derivative at 0; a tiny number under the root gives it one."""

FIXES = {"NG301"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the norm is below 1e-3"
BENIGN = [[0.5, 3.0, 2.0]]
STRESS = [[0.0, 0.0]]


def before_tensorflow(tf, x, dim=None, keepdim=False):
    return tf.norm(x, axis=dim, keepdims=keepdim)


def after_tensorflow(tf, x, dim=None, keepdim=False):
    return tf.sqrt(tf.reduce_sum(x**2, axis=dim, keepdims=keepdim) + 1e-12)


def guarded_tensorflow(tf, x, dim=None, keepdim=False):
    return tf.norm(x, axis=dim, keepdims=keepdim) < 1e-3
