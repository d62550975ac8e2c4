"""cross_entropy_of_ignored: As cross_entropy_of_nothing, with a label of the user's own for what is ignored."""

FIXES = {"NG404"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "batches without a target"
BENIGN = [([[0.5, 3.0], [2.0, 1.0]], [1, 0], 0)]
STRESS = [([[0.5, 3.0], [2.0, 1.0]], [0, 0], 0)]


def before_torch(torch, x, target, ignored):
    return torch.nn.functional.cross_entropy(x, target, ignore_index=ignored)


def after_torch(torch, x, target, ignored):
    return torch.nn.functional.cross_entropy(x, target, ignore_index=ignored, reduction="sum") / torch.clamp(
        (target != ignored).sum(), min=1
    )
