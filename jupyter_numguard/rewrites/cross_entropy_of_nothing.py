"""cross_entropy_of_nothing: Where every target is ignored the mean is 0/0; the sum over at least one target is 0."""

FIXES = {"NG404"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "batches without a target"
BENIGN = [([[0.5, 3.0], [2.0, 1.0]], [0, -100])]
STRESS = [([[0.5, 3.0], [2.0, 1.0]], [-100, -100])]


def before_torch(torch, x, target):
    return torch.nn.functional.cross_entropy(x, target)


def after_torch(torch, x, target):
    return torch.nn.functional.cross_entropy(x, target, reduction="sum") / torch.clamp((target != -100).sum(), min=1)
