"""masked_attention: A query that may look at no key has no softmax; where a mask hides every key, it hides none.

Other queries are unchanged. What comes out for the query that was masked as a whole is finite and without meaning, as a
uniform row would be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jupyter_numguard.change import Change
from jupyter_numguard.matching import Reader
from jupyter_numguard.model import Framework

FIXES = {"NG402"}
SAME_MATHEMATICS = False
NEIGHBOURHOOD = "those of queries that are masked as a whole, and what depends on them"
EXAMPLES = {"torch": ("y = attention(x, x, x, key_padding_mask=hidden, need_weights=True)[0]",)}
_MASKS = frozenset({"attn_mask", "key_padding_mask", "src_mask", "src_key_padding_mask", "tgt_mask", "mask"})


def locate(reader: Reader, framework: Framework) -> Iterator[Change]:
    """The mask that is given to a layer in the failing statement; True must mean hidden, as in torch."""
    if framework != "torch":
        return
    for call in reader.calls(reader.failing):
        for given in call.keywords:
            if given.arg in _MASKS and not isinstance(given.value, ast.Constant):
                text = ast.unparse(given.value)
                mask = text if isinstance(given.value, ast.Name | ast.Attribute | ast.Subscript) else f"({text})"
                after = f"{mask} & ~{mask}.all(-1, keepdim=True)"
                keywords = [
                    ast.keyword(k.arg, ast.parse(after, mode="eval").body) if k is given else k for k in call.keywords
                ]
                changed = ast.unparse(ast.Call(call.func, call.args, keywords))
                yield Change(reader.failing, given.value, after, (ast.unparse(call), changed), framework)
