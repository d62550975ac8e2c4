"""log_mean_exp: `log(mean(exp(x)))` overflows for large x, and is log(0) for very negative x; the shifted form does neither."""

FIXES = {"NG101", "NG203", "NG501"}
BENIGN = [([[0.5, -1.0, 2.0], [3.0, 0.0, -3.0]], 1)]
STRESS = [([[1000.0, 1000.5, 0.0]], 1)]


def before_torch(torch, x, dim, keepdim=False):
    return torch.log(torch.mean(torch.exp(x), dim, keepdim=keepdim))


def after_torch(torch, x, dim, keepdim=False):
    return torch.logsumexp(x, dim, keepdim=keepdim) - torch.log(torch.tensor(x.shape[dim]))


def before_tensorflow(tf, x, dim, keepdim=False):
    return tf.math.log(tf.reduce_mean(tf.exp(x), axis=dim, keepdims=keepdim))


def after_tensorflow(tf, x, dim, keepdim=False):
    return tf.reduce_logsumexp(x, axis=dim, keepdims=keepdim) - tf.math.log(tf.cast(tf.shape(x)[dim], x.dtype))


def before_numpy(np, x, dim, keepdim=False):
    return np.log(np.mean(np.exp(x), axis=dim, keepdims=keepdim))


def after_numpy(np, x, dim, keepdim=False):
    return np.logaddexp.reduce(x, axis=dim, keepdims=keepdim) - np.log(x.shape[dim])
