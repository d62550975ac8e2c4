"""masked_log_softmax: log_softmax over a row of -Inf is NaN; with a finite floor such a row is uniform.

A masked element of another row then has the log-probability of about -3e4 instead of -Inf.
"""

FIXES = {"NG402"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "masked"
BENIGN = [([[0.5, -1.0, 0.0], [3.0, 0.0, -3.0]], -1)]
STRESS = [([[float("-inf"), float("-inf")], [1.0, 2.0]], -1)]


def before_torch(torch, x, dim):
    return torch.log_softmax(x, dim)


def after_torch(torch, x, dim):
    return torch.log_softmax(torch.clamp(x, min=-3e4), dim)


def before_tensorflow(tf, x, dim=-1):
    return tf.nn.log_softmax(x, axis=dim)


def after_tensorflow(tf, x, dim=-1):
    return tf.nn.log_softmax(tf.maximum(x, -3e4), axis=dim)
