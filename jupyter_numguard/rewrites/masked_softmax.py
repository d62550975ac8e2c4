"""masked_softmax: Softmax over a row of -Inf is NaN; with a finite floor such a row is uniform and all others are unchanged."""

FIXES = {"NG402"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "rows that are masked as a whole"
BENIGN = [([[0.5, -1.0, float("-inf")], [3.0, 0.0, -3.0]], -1)]
STRESS = [([[float("-inf"), float("-inf")], [1.0, 2.0]], -1)]


def before_torch(torch, x, dim):
    return torch.softmax(x, dim)


def after_torch(torch, x, dim):
    return torch.softmax(torch.clamp(x, min=-3e4), dim)


def guarded_torch(torch, x, dim):
    return (x < -3e4).all(dim, keepdim=True).expand(x.shape)


def before_tensorflow(tf, x, dim=-1):
    return tf.nn.softmax(x, axis=dim)


def after_tensorflow(tf, x, dim=-1):
    return tf.nn.softmax(tf.maximum(x, -3e4), axis=dim)


def guarded_tensorflow(tf, x, dim=-1):
    return tf.broadcast_to(tf.reduce_all(x < -3e4, axis=dim, keepdims=True), tf.shape(x))
