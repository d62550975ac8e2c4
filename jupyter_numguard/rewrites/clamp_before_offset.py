"""clamp_before_offset: `1 - x²` plus a tiny number is below 0 where x passes 1; the difference is bounded there first.

The tiny number shows that 0 was expected and nothing below it. Any other clearly negative logarithm is for its author to explain.
"""

FIXES = {"NG104"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the difference is below 0"
BENIGN = [([0.5, 1e-3, 0.9], 1e-6)]
STRESS = [([1.5, 0.5], 1e-6)]


def before_torch(torch, x, c):
    return torch.log(1 - x + c)


def after_torch(torch, x, c):
    return torch.log(torch.clamp(1 - x, min=0) + c)


def guarded_torch(torch, x, c):
    return x > 1


def before_tensorflow(tf, x, c):
    return tf.math.log(1 - x + c)


def after_tensorflow(tf, x, c):
    return tf.math.log(tf.maximum(1 - x, 0) + c)


def guarded_tensorflow(tf, x, c):
    return x > 1


def before_numpy(np, x, c):
    return np.log(1 - x + c)


def after_numpy(np, x, c):
    return np.log(np.maximum(1 - x, 0) + c)


def guarded_numpy(np, x, c):
    return x > 1
