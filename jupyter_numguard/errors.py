"""What numguard raises on purpose; anything else it swallows and reports once."""


class NumguardError(Exception):
    """Base of every error that numguard raises on purpose; the message says what to do."""


class UsageError(NumguardError):
    """An option, a setting or a variable name that does not exist; the message lists the valid ones."""


class NonFiniteError(NumguardError):
    """Raised by `%%numguard --stop` and `trace(stop=True)` at the first operation that made a NaN or an Inf."""


class ReportFormatError(NumguardError):
    """A JSON object that is not a report of a schema version this numguard reads; the message names the field."""
