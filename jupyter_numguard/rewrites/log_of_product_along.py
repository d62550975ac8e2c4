"""log_of_product_along: As log_of_product, along a dimension."""

FIXES = {"NG205", "NG208"}
BENIGN = [([[0.5, 0.25, 0.9]], 1)]
STRESS = [([[1e-30] * 20], 1)]
NEIGHBOURHOOD = "where the product has lost its digits (below 1e-290)"


def before_torch(torch, x, dim, keepdim=False):
    return torch.log(torch.prod(x, dim, keepdim=keepdim))


def after_torch(torch, x, dim, keepdim=False):
    return torch.sum(torch.log(x), dim, keepdim=keepdim)


def before_tensorflow(tf, x, dim, keepdim=False):
    return tf.math.log(tf.reduce_prod(x, axis=dim, keepdims=keepdim))


def after_tensorflow(tf, x, dim, keepdim=False):
    return tf.reduce_sum(tf.math.log(x), axis=dim, keepdims=keepdim)


def before_numpy(np, x, dim, keepdim=False):
    return np.log(np.prod(x, axis=dim, keepdims=keepdim))


def after_numpy(np, x, dim, keepdim=False):
    return np.sum(np.log(x), axis=dim, keepdims=keepdim)


def guarded_torch(torch, x, dim, keepdim=False):
    return torch.abs(torch.prod(x, dim, keepdim=keepdim)) < 1e-290


def guarded_tensorflow(tf, x, dim, keepdim=False):
    return tf.abs(tf.reduce_prod(x, axis=dim, keepdims=keepdim)) < 1e-290


def guarded_numpy(np, x, dim, keepdim=False):
    return np.abs(np.prod(x, axis=dim, keepdims=keepdim)) < 1e-290
