"""Healthy programs are full of non-finite values that are meant: no alarm, neither watched nor traced."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import Cell, run

TORCH = {
    "attention with a -inf mask built by masked_fill": [
        "import torch, torch.nn as nn, torch.nn.functional as F",
        "q = k = v = torch.randn(2, 4, 8)\nallowed = torch.tril(torch.ones(4, 4)).bool()\n"
        "scores = (q @ k.mT).masked_fill(~allowed, float('-inf'))\np = scores.softmax(-1)\nout = p @ v",
    ],
    "attention with a -inf mask bound in an earlier cell": [
        "import torch",
        "NEG = -float('inf')\nmask = torch.full((4, 4), NEG).triu(1)",
        "s = torch.randn(4, 4) + mask\np = torch.softmax(s, dim=-1)\nlogp = torch.log_softmax(s, dim=-1)",
    ],
    "scaled_dot_product_attention with a boolean and with a -inf mask": [
        "import torch, torch.nn.functional as F",
        "q = torch.randn(1, 2, 4, 8, requires_grad=True)\nallowed = torch.ones(4, 4).tril().bool()\n"
        "a = F.scaled_dot_product_attention(q, q, q, attn_mask=allowed)\n"
        "m = torch.zeros(4, 4).masked_fill(~allowed, float('-inf'))\n"
        "b = F.scaled_dot_product_attention(q, q, q, attn_mask=m)\n(a.sum() + b.sum()).backward()",
    ],
    "MultiheadAttention with the library's causal mask": [
        "import torch, torch.nn as nn",
        "mha = nn.MultiheadAttention(8, 2, batch_first=True)\nx = torch.randn(2, 5, 8)\n"
        "causal = nn.Transformer.generate_square_subsequent_mask(5)\n"
        "y, w = mha(x, x, x, attn_mask=causal)\ny.sum().backward()",
    ],
    "TransformerEncoder trained with a causal mask": [
        "import torch, torch.nn as nn",
        "enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)\n"
        "opt = torch.optim.AdamW(enc.parameters())\nx = torch.randn(2, 5, 8)\n"
        "causal = nn.Transformer.generate_square_subsequent_mask(5)\n"
        "for _ in range(3):\n    loss = enc(x, mask=causal, is_causal=True).pow(2).mean()\n"
        "    opt.zero_grad(); loss.backward(); opt.step()",
    ],
    "inf as the start of a search for the best": [
        "import torch",
        "best = float('inf')\nworst = torch.tensor(-torch.inf)\nbest_acc = -float('inf')",
        "loss = torch.tensor(0.5)\nif loss < best:\n    kept = loss",
    ],
    "steps that a GradScaler skips": [
        "import torch",
        "scaler = torch.amp.GradScaler('cpu', init_scale=2.0**16)\nw = torch.nn.Parameter(torch.ones(2))\n"
        "opt = torch.optim.SGD([w], lr=0.1)\n"
        "loss = (w.half() * 60000.0).float().sum()\n"
        "scaler.scale(loss).backward()\nscaler.step(opt)\nscaler.update()",
    ],
    "memory of torch.empty before and after its first write": [
        "import torch",
        "buf = torch.empty(1000).fill_(float('nan'))\nbuf.zero_()\nraw = torch.empty(64)\nraw.copy_(torch.ones(64))",
    ],
    "an intermediate Inf that where absorbs": [
        "import torch",
        "x = torch.tensor([0.0, 1.0])\ny = torch.where(x > 0, torch.log(x), torch.zeros(()))\n"
        "z = torch.nan_to_num(x / 0)\ns = 1 / (1 + torch.exp(torch.tensor(200.0)))",
    ],
    "the gradient of masked cross entropy": [
        "import torch, torch.nn.functional as F",
        "z = torch.randn(3, 4, requires_grad=True)\nbanned = torch.tensor([True, False, False, False])\n"
        "logits = z.masked_fill(banned, float('-inf'))\nloss = F.cross_entropy(logits, torch.tensor([1, 2, 3]))\n"
        "loss.backward()\nlogp = logits.log_softmax(-1)",
    ],
    "top-k filtering of logits": [
        "import torch",
        "logits = torch.randn(2, 10)\ncut = logits.topk(3).values[:, -1:]\n"
        "logits[logits < cut] = -float('Inf')\nprobs = torch.softmax(logits, -1)\nnext_token = torch.multinomial(probs, 1)",
    ],
    "-inf written by a function of the notebook": [
        "import torch\ndef keep_positive(t):\n    return t.masked_fill(t < 0, float('-inf'))",
        "f = keep_positive(torch.randn(2, 6))",
    ],
    "a running minimum that starts from inf": [
        "import torch",
        "m = torch.full((3,), float('inf'))\nfor i in range(2):\n    m = torch.minimum(m, m + 1)",
    ],
    "several writes of -inf on one line": [
        "import torch",
        "t = torch.randn(4, 4); t[:, 0] = -float('inf'); t[3, :] = -float('inf')",
    ],
    "CTC loss with finite targets": [
        "import torch, torch.nn.functional as F",
        "lp = torch.randn(10, 2, 5, requires_grad=True)\n"
        "labels, long = torch.tensor([[1, 2], [2, 3]]), torch.tensor([10, 10])\n"
        "loss = F.ctc_loss(lp.log_softmax(-1), labels, long, torch.tensor([2, 2]))\n"
        "loss.backward()",
    ],
}
NUMPY = {
    "missing values of loaded data": [
        "import io, numpy as np, pandas as pd",
        "df = pd.read_csv(io.StringIO('a,b\\n1,\\n,2\\n3,4'))\nfull = df.dropna()\nm = df['a'].mean()",
        "df2 = df.rename(columns={'a': 'x'})\njoined = df2.merge(pd.DataFrame({'x': [1.0]}), how='left')\nlag = df2.x.shift(1)",
    ],
    "shortest paths that start from inf": [
        "import numpy as np",
        "D = np.full((4, 4), np.inf)\nfor k in range(4): D = np.minimum(D, D[:, k:k+1] + D[k:k+1, :])",
    ],
    "inf written as an upper bound": [
        "import numpy as np, math",
        "lower, upper = -np.inf, np.inf\nbounds = np.array([0.0, np.inf])\nbest = math.inf\n"
        "dist = np.full((3, 3), np.inf)\nnp.fill_diagonal(dist, 0.0)",
    ],
    "an overflow that the formula absorbs": [
        "import numpy as np",
        "x = np.array([-1000.0, 0.0, 1000.0])\ns = 1 / (1 + np.exp(-x))\n"
        "r = np.where(x > 0, x, 0) / 2\nsafe = np.divide(1.0, x, out=np.zeros(3), where=x != 0)",
    ],
    "NaN removed before use": [
        "import numpy as np",
        "x = np.array([1.0, np.nan, 3.0])\nx = x[~np.isnan(x)]\nm = np.nanmean([1.0, float('nan')])",
    ],
    "distributions of scipy, whose bounds are infinite": [
        "import numpy as np\nfrom scipy import stats\nfrom scipy.stats import norm, poisson",
        "d = stats.norm(0.0, 2.0)\nl = d.logpdf(np.array([0.0, 60.0])).sum()",
        "m = stats.multivariate_normal(np.zeros(2), np.eye(2))\nk = poisson.logpmf(3, mu=2.0)",
    ],
}
TENSORFLOW = {
    "attention with -inf written into the logits": [
        "import tensorflow as tf",
        "s = tf.random.normal([2, 4, 4])\nmask = tf.linalg.band_part(tf.ones([4, 4]), -1, 0)\n"
        "s = tf.where(mask > 0, s, float('-inf'))\np = tf.nn.softmax(s)",
    ],
    "a Keras model with batch normalisation, trained": [
        "import tensorflow as tf, numpy as np",
        "m = tf.keras.Sequential([tf.keras.layers.Dense(4, activation='relu'), tf.keras.layers.BatchNormalization(),"
        " tf.keras.layers.Dense(1)])\nm.compile('adam', 'mse')\n"
        "h = m.fit(np.random.rand(16, 3), np.random.rand(16, 1), epochs=2, batch_size=8, verbose=0)",
    ],
    "MultiHeadAttention with a causal mask": [
        "import tensorflow as tf",
        "a = tf.keras.layers.MultiHeadAttention(2, 4)\nx = tf.random.normal([2, 5, 8])\ny = a(x, x, use_causal_mask=True)",
    ],
}
PROGRAMS = {**TORCH, **NUMPY, **TENSORFLOW}


@pytest.fixture(scope="module", params=["watch", "trace"])
def ran(request: pytest.FixtureRequest) -> tuple[str, dict[str, list[Cell]]]:
    """All programs, watched or traced, in one process each framework."""
    traced = None if request.param == "trace" else []
    out: dict[str, list[Cell]] = {}
    for programs in (TORCH, NUMPY, TENSORFLOW):
        notebooks: list[dict[str, Any]] = [{"cells": cells, "traced": traced} for cells in programs.values()]
        out.update(zip(programs, run(notebooks), strict=True))
    return request.param, out


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_meant_raises_no_alarm(name: str, ran: tuple[str, dict[str, list[Cell]]]) -> None:
    """Every cell runs, and no cell raises an alarm."""
    _, cells = ran

    assert [(None, [])] * len(PROGRAMS[name]) == [
        (c.error, [(a["variable"], a["origin"]) for a in c.alarms]) for c in cells[name]
    ]
