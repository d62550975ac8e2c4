"""log_softmax_by_hand: `log(exp(x) / sum(exp(x)))` is -Inf where the quotient underflows; the fused form never forms it.

Also where the maximum is taken off first: that prevents overflow, not underflow.
"""

# a pattern is one expression

FIXES = {"NG201", "NG203"}
BENIGN = [([[0.5, -1.0, 2.0], [3.0, 0.0, -3.0]], -1)]
STRESS = [([[800.0, 0.0], [0.0, 0.0]], -1)]
NEIGHBOURHOOD = "where the softmax underflows or overflows"


def before_torch(torch, x, dim):
    return torch.log(torch.exp(x) / torch.sum(torch.exp(x), dim, keepdim=True))


def after_torch(torch, x, dim):
    return torch.nn.functional.log_softmax(x, dim)


def before_torch_shifted(torch, x, dim):
    return torch.log(
        torch.exp(x - torch.amax(x, dim, keepdim=True))
        / torch.sum(torch.exp(x - torch.amax(x, dim, keepdim=True)), dim, keepdim=True)
    )


def after_torch_shifted(torch, x, dim):
    return torch.nn.functional.log_softmax(x, dim)


def before_torch_shifted_by_all(torch, x, dim):
    return torch.log(torch.exp(x - torch.max(x)) / torch.sum(torch.exp(x - torch.max(x)), dim, keepdim=True))


def after_torch_shifted_by_all(torch, x, dim):
    return torch.nn.functional.log_softmax(x, dim)


def before_tensorflow(tf, x, dim):
    return tf.math.log(tf.exp(x) / tf.reduce_sum(tf.exp(x), axis=dim, keepdims=True))


def after_tensorflow(tf, x, dim):
    return tf.nn.log_softmax(x, axis=dim)


def before_tensorflow_shifted(tf, x, dim):
    return tf.math.log(
        tf.exp(x - tf.reduce_max(x, axis=dim, keepdims=True))
        / tf.reduce_sum(tf.exp(x - tf.reduce_max(x, axis=dim, keepdims=True)), axis=dim, keepdims=True)
    )


def after_tensorflow_shifted(tf, x, dim):
    return tf.nn.log_softmax(x, axis=dim)


def before_tensorflow_shifted_by_all(tf, x, dim):
    return tf.math.log(
        tf.exp(x - tf.reduce_max(x)) / tf.reduce_sum(tf.exp(x - tf.reduce_max(x)), axis=dim, keepdims=True)
    )


def after_tensorflow_shifted_by_all(tf, x, dim):
    return tf.nn.log_softmax(x, axis=dim)


def before_numpy(np, x, dim):
    return np.log(np.exp(x) / np.sum(np.exp(x), axis=dim, keepdims=True))


def after_numpy(np, x, dim):
    return x - np.logaddexp.reduce(x, axis=dim, keepdims=True)


def before_numpy_shifted(np, x, dim):
    return np.log(
        np.exp(x - np.max(x, axis=dim, keepdims=True))
        / np.sum(np.exp(x - np.max(x, axis=dim, keepdims=True)), axis=dim, keepdims=True)
    )


def after_numpy_shifted(np, x, dim):
    return x - np.logaddexp.reduce(x, axis=dim, keepdims=True)


def before_numpy_shifted_by_all(np, x, dim):
    return np.log(np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x)), axis=dim, keepdims=True))


def after_numpy_shifted_by_all(np, x, dim):
    return x - np.logaddexp.reduce(x, axis=dim, keepdims=True)


def guarded_torch(torch, x, dim):
    return (torch.softmax(x, dim) < 2.3e-308) | (abs(x) > 600)


def guarded_tensorflow(tf, x, dim):
    return (tf.nn.softmax(x, axis=dim) < 2.3e-308) | (abs(x) > 600)


def guarded_numpy(np, x, dim):
    return (x - np.max(x, axis=dim, keepdims=True) < -700) | (abs(x) > 600)
