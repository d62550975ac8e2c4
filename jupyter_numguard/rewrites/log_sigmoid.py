"""log_sigmoid: The sigmoid saturates at 0 and its logarithm is -Inf; log_sigmoid computes it from the logit."""

FIXES = {"NG202", "NG203"}
BENIGN = [[0.5, -1.0, 2.0, 7.0]]
STRESS = [[-800.0, 1.0]]
NEIGHBOURHOOD = "where the sigmoid is rounded to 0 or 1"


def before_torch(torch, x):
    return torch.log(torch.sigmoid(x))


def after_torch(torch, x):
    return torch.nn.functional.logsigmoid(x)


def guarded_torch(torch, x):
    return (x < -700) | (x > 20)


def before_tensorflow(tf, x):
    return tf.math.log(tf.sigmoid(x))


def after_tensorflow(tf, x):
    return tf.math.log_sigmoid(x)


def guarded_tensorflow(tf, x):
    return (x < -700) | (x > 20)


def before_numpy(np, x):
    return np.log(1 / (1 + np.exp(-x)))


def after_numpy(np, x):
    return -np.logaddexp(0, -x)


def guarded_numpy(np, x):
    return (x < -700) | (x > 20)
