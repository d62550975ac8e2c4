"""unit_vector: A zero vector divided by its length is 0/0; the fused form divides by at least a tiny number."""

FIXES = {"NG102"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "vectors of length 0"
BENIGN = [([[0.5, -1.0, 2.0], [3.0, 0.0, 4.0]], 1)]
STRESS = [([[0.0, 0.0], [3.0, 4.0]], 1)]


def before_torch(torch, x, dim):
    return x / torch.norm(x, dim=dim, keepdim=True)


def after_torch(torch, x, dim):
    return torch.nn.functional.normalize(x, dim=dim)


def before_torch_two(torch, x, dim):
    return x / torch.norm(x, 2, dim=dim, keepdim=True)


def after_torch_two(torch, x, dim):
    return torch.nn.functional.normalize(x, dim=dim)


def guarded_torch(torch, x, dim):
    return (torch.norm(x, dim=dim, keepdim=True) < 1e-12).expand(x.shape)


def before_tensorflow(tf, x, dim):
    return x / tf.norm(x, axis=dim, keepdims=True)


def after_tensorflow(tf, x, dim):
    return tf.math.l2_normalize(x, axis=dim)


def guarded_tensorflow(tf, x, dim):
    return tf.broadcast_to(tf.norm(x, axis=dim, keepdims=True) < 1e-6, tf.shape(x))
