"""guard_power: The derivative of a power below 1 is infinite at 0; a tiny number added to the base keeps it finite."""

FIXES = {"NG301"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "where the base is below 1e-6"
BENIGN = [([0.5, 1e-3, 2.0], 0.5)]
STRESS = [([0.0, 4.0], 0.5)]


def before_torch(torch, x, p):
    return x**p


def after_torch(torch, x, p):
    return (x + 1e-12) ** p


def guarded_torch(torch, x, p):
    return x < 1e-6


def before_tensorflow(tf, x, p):
    return x**p


def after_tensorflow(tf, x, p):
    return (x + 1e-12) ** p


def guarded_tensorflow(tf, x, p):
    return x < 1e-6
