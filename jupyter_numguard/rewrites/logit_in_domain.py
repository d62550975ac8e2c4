"""logit_in_domain: The logit of a probability of exactly 0 or 1 is infinite; `eps` keeps the argument just inside."""

FIXES = {"NG103"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "within 1e-6 of 0 and 1"
BENIGN = [[0.5, 0.9, 0.1]]
STRESS = [[1.0, 0.5, 0.0]]


def before_torch(torch, x):
    return torch.logit(x)


def after_torch(torch, x):
    return torch.logit(x, eps=1e-6)


def guarded_torch(torch, x):
    return (x < 2e-6) | (x > 1 - 2e-6)
