"""guard_number_of_items: A Python number that counts items may be 0 as a divisor; at least 1, it leaves a sum of nothing 0."""

FIXES = {"NG401"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the divisor is below 1"
BENIGN = [([0.5, 1.0], 4)]
STRESS = [([0.0, 2.0], 0.0)]


def before_torch(torch, x, y):
    return x / y


def after_torch(torch, x, y):
    return x / max(y, 1)


def before_tensorflow(tf, x, y):
    return x / y


def after_tensorflow(tf, x, y):
    return x / max(y, 1)


def before_numpy(np, x, y):
    return x / y


def after_numpy(np, x, y):
    return x / max(y, 1)
