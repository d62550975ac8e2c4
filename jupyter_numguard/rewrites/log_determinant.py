"""log_determinant: The determinant of a large matrix leaves the dtype's range; its logarithm is computed from the factors."""

FIXES = {"NG205", "NG208"}
BENIGN = [[[2.0, 0.5], [0.5, 1.0]]]
STRESS = [[[1e-30 if i == j else 0.0 for j in range(12)] for i in range(12)]]


def before_torch(torch, x):
    return torch.log(torch.linalg.det(x))


def after_torch(torch, x):
    return torch.logdet(x)


def before_tensorflow(tf, x):
    return tf.math.log(tf.linalg.det(x))


def after_tensorflow(tf, x):
    return tf.linalg.slogdet(x)[1]


def before_numpy(np, x):
    return np.log(np.linalg.det(x))


def after_numpy(np, x):
    return np.linalg.slogdet(x)[1]
