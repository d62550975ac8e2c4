"""kl_term: `p * log(p / q)` is 0/0 or 0 * -Inf where a probability is 0; xlogy has the limit, and the divisor is kept off 0."""

FIXES = {"NG101", "NG102", "NG206"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where a probability is 0"
BENIGN = [([0.5, 0.3, 0.2], [0.25, 0.25, 0.5])]
STRESS = [([0.0, 1.0], [0.0, 1.0])]
HAS_GRADIENT = False  # p / q has none at 0 / 0


def before_torch(torch, p, q):
    return p * torch.log(p / q)


def after_torch(torch, p, q):
    return torch.xlogy(p, p / torch.clamp(q, min=1e-12))


def guarded_torch(torch, p, q):
    return (p == 0) | (q < 1e-12)


def before_tensorflow(tf, p, q):
    return p * tf.math.log(p / q)


def after_tensorflow(tf, p, q):
    return tf.math.xlogy(p, p / tf.maximum(q, 1e-12))


def guarded_tensorflow(tf, p, q):
    return tf.equal(p, 0) | (q < 1e-12)


def before_numpy(np, p, q):
    return p * np.log(p / q)


def after_numpy(np, p, q):
    return p * np.log(np.where(p == 0, 1.0, p / np.maximum(q, 1e-12)))


def guarded_numpy(np, p, q):
    return (p == 0) | (q < 1e-12)
