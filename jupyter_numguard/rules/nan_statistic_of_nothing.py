"""NG405 nan-statistic-of-nothing: A mean that skips NaN was taken of elements that are all NaN.

## What happened
`nanmean` (or `nanmedian`, `nanstd`, `nanvar`) got a column or row in which nothing is left when the NaN are skipped.

## Why it is non-finite
The mean of the remaining zero elements is 0/0. numpy warns "Mean of empty slice"; torch does not.

## Example
```python numpy
import numpy as np
import pandas as pd
column = pd.Series([None, None], dtype=float)  # origin: NG405
m = np.nanmean(column)
```

## Use instead
Divide by at least one, or skip the column: decide what stands for a mean that does not exist.
```python numpy
import numpy as np
import pandas as pd
column = pd.Series([None, None], dtype=float).to_numpy()
m = np.nansum(column) / np.maximum(np.sum(~np.isnan(column)), 1)
column = 0.0
```

## Limits
NaN that was written or computed before is reported where it was made; this rule speaks of missing data that is meant.

## References
- https://numpy.org/doc/stable/reference/generated/numpy.nanmean.html
"""

from __future__ import annotations

import re

from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Category, Evidence, LineagePath

from ._recognise import certain

CATEGORY = Category.C4
PRECEDES = {"NG601"}
_SKIPPING = re.compile(r"nan(?:mean|median|std|var)$")


def detect(path: LineagePath) -> Evidence | None:
    """A variable that holds NaN, came from NaN data and was bound by a statement that takes such a mean."""
    origin = path.origin
    counts = path.steps[0].counts if path.steps else None
    if origin is None or origin.kind != "introduced" or counts is None or not counts.nan:
        return None
    reader = Reader(path)
    root = re.split(r"[.\[]", path.variable)[0]
    for home in range(reader.failing):
        if root not in reader.bound_at(home):
            continue
        names = (getattr(call.func, "attr", getattr(call.func, "id", "")) for call in reader.calls(home))
        found = next((name for name in names if _SKIPPING.match(name)), None)
        if found is None:
            return None  # the last statement that bound it
        several = f"{counts.nan} of {counts.size} results of {found}"
        text = several if counts.size > 1 else f"The result of {found}"
        verb = "are" if counts.nan > 1 else "is"
        return Evidence(f"{text} {verb} NaN: nothing was left to average.", certain(origin, 0.92))
    return None
