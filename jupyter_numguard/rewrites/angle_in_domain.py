"""angle_in_domain: acos and asin beyond 1 are NaN and at 1 have no derivative; scaled to just inside they have both."""

FIXES = {"NG103", "NG301"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "within 1e-2 of the ends"
BENIGN = [[0.5, -0.9, 0.1]]
STRESS = [[1.0000001, 0.5]]


def before_torch(torch, x):
    return torch.acos(x)


def after_torch(torch, x):
    return torch.acos(torch.clamp(x, -1, 1) * (1 - 1e-6))


def guarded_torch(torch, x):
    return abs(x) > 0.99


def before_tensorflow(tf, x):
    return tf.acos(x)


def after_tensorflow(tf, x):
    return tf.acos(tf.clip_by_value(x, -1, 1) * (1 - 1e-6))


def guarded_tensorflow(tf, x):
    return abs(x) > 0.99


def before_numpy(np, x):
    return np.arccos(x)


def after_numpy(np, x):
    return np.arccos(np.clip(x, -1, 1))


def guarded_numpy(np, x):
    return abs(x) > 0.99


def before_torch_asin(torch, x):
    return torch.asin(x)


def after_torch_asin(torch, x):
    return torch.asin(torch.clamp(x, -1, 1) * (1 - 1e-6))


def before_tensorflow_asin(tf, x):
    return tf.asin(x)


def after_tensorflow_asin(tf, x):
    return tf.asin(tf.clip_by_value(x, -1, 1) * (1 - 1e-6))


def before_numpy_asin(np, x):
    return np.arcsin(x)


def after_numpy_asin(np, x):
    return np.arcsin(np.clip(x, -1, 1))
