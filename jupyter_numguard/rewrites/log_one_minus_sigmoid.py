"""log_one_minus_sigmoid: The sigmoid saturates at 1, so log(1 - sigmoid(x)) is -Inf; it is the log-sigmoid of -x."""

FIXES = {"NG101", "NG202"}
BENIGN = [[0.5, -1.0, 2.0, 5.0]]
STRESS = [[800.0, 1.0]]
NEIGHBOURHOOD = "where 1 - sigmoid(x) is rounded"


def before_torch(torch, x):
    return torch.log(1 - torch.sigmoid(x))


def after_torch(torch, x):
    return torch.nn.functional.logsigmoid(-x)


def before_torch_log1p(torch, x):
    return torch.log1p(-torch.sigmoid(x))


def after_torch_log1p(torch, x):
    return torch.nn.functional.logsigmoid(-x)


def guarded_torch(torch, x):
    return abs(x) > 20  # 1 - sigmoid(20) is 2e-9: float64 keeps seven digits of it


def before_tensorflow(tf, x):
    return tf.math.log(1 - tf.sigmoid(x))


def after_tensorflow(tf, x):
    return tf.math.log_sigmoid(-x)


def before_tensorflow_log1p(tf, x):
    return tf.math.log1p(-tf.sigmoid(x))


def after_tensorflow_log1p(tf, x):
    return tf.math.log_sigmoid(-x)


def guarded_tensorflow(tf, x):
    return abs(x) > 20


def before_numpy(np, x):
    return np.log(1 - 1 / (1 + np.exp(-x)))


def after_numpy(np, x):
    return -np.logaddexp(0, x)


def guarded_numpy(np, x):
    return abs(x) > 20
