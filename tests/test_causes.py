"""What stands behind a failing operation: categories C6 to C9, told by measured evidence; in programs of several frameworks."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import Cell, run

PROGRAMS = {
    "NG203 squared": """
import torch
Dose = torch.linspace(0, 60, 9)
kill = 2.5 * torch.exp(1.2 * Dose)
gap = ((kill - 3 * Dose) ** 2).mean()
""",
    "NG505 audio": """
import numpy as np
pcm = (9000 * np.sin(np.arange(4000) / 3)).astype(np.int16)
def loudness(signal):
    blocks = signal.reshape(-1, 400)
    return np.sqrt(np.mean(blocks ** 2, axis=1))
level = loudness(pcm)
""",
    "NG209 numpy": """
import numpy as np
k, mu = np.array([0.0, 900.0]), np.array([1.0, 900.0])
weight = mu ** k * np.exp(-mu)
""",
    "NG601 array": """
import numpy as np, io
X = np.genfromtxt(io.StringIO("1,2\\n3,x\\n5,6"), delimiter=",")
mu = X.mean(0)
""",
    "NG601 frame": """
import io, pandas as pd, torch
df = pd.read_csv(io.StringIO("a,b\\n1,2\\n3,\\n5,6\\n"))
X = torch.tensor(df.values, dtype=torch.float32)
""",
    "NG602 layer": """
import torch, torch.nn as nn
torch.manual_seed(0)
logits = torch.randn(4, 1, 6, requires_grad=True)
criterion = nn.CTCLoss(blank=0)
y = torch.tensor([[2, 2, 2, 3]])
cost = criterion(logits.log_softmax(2), y, torch.tensor([4]), torch.tensor([4]))
cost.backward()
""",
    "NG602 function": """
import torch, torch.nn.functional as F
scores = torch.zeros(2, 1, 4).log_softmax(-1)
y = torch.tensor([[1, 2, 3]])
given, wanted = torch.tensor([2]), torch.tensor([3])
loss = F.ctc_loss(scores, y, given, wanted)
""",
    "NG603 quotient": """
import torch
gt = torch.tensor([[10.0, 10.0, 50.0, 60.0], [40.0, 20.0, 30.0, 80.0]])
anchors = torch.tensor([[8.0, 8.0, 48.0, 56.0], [8.0, 8.0, 48.0, 56.0]])
gw = gt[:, 2] - gt[:, 0]
aw = anchors[:, 2] - anchors[:, 0]
dw = torch.log(gw / aw)
""",
    "NG701 method update": """
import torch
torch.manual_seed(0)
X = torch.rand(200, 3)
y = X.sum(1)
w = torch.zeros(3, requires_grad=True)
for epoch in range(300):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w.sub_(3.0 * w.grad)
        w.grad.zero_()
""",
    "NG702 torch": """
import torch
v = torch.tensor([1.0, 3.0])
A = torch.tensor([[4.0, 1.0], [2.0, 3.0]])
for _ in range(200):
    v = A.matmul(v) if v.sum() < 0 else v * 5 + 1
""",
    "NG203 exponent that adds up": """
import torch
gain = torch.rand(3, 3)
score = torch.zeros(2, 3)
for t in range(40):
    score = torch.log(torch.exp(score) @ torch.exp(gain)) + 9.0
""",
    "NG802 attribute": """
import torch, torch.nn as nn
torch.use_deterministic_algorithms(True)  # fills what it allocates with NaN
class Biased(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.shift = nn.Parameter(torch.empty(3, 2 * n - 1))
        self.register_buffer("place", torch.arange(n)[:, None] - torch.arange(n)[None] + n - 1)
    def forward(self, x):
        return x + self.shift[:, self.place]
layer = Biased(4)
out = layer(torch.ones(2, 3, 4, 4)).mean()
torch.use_deterministic_algorithms(False)
""",
    "NG802 parameter": """
import torch, torch.nn as nn
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, 3))
        with torch.no_grad():
            self.weight.set_(torch.full((3, 3), 3e38))
    def forward(self, x):
        return x @ self.weight
out = Layer()(torch.ones(2, 3))
""",
    "NG803 layers": """
import torch, torch.nn as nn
torch.manual_seed(0)
layers = [nn.Linear(64, 64) for _ in range(60)]
for layer in layers:
    nn.init.normal_(layer.weight, std=1.5)
net = nn.Sequential(*layers)
out = net(torch.randn(4, 64))
""",
    "NG901 model": """
import tensorflow as tf
tf.random.set_seed(0)
net = tf.keras.Sequential([tf.keras.layers.Dense(3)])
z = net(tf.random.normal((50, 4)))
cost = -tf.reduce_mean(tf.math.log(z))
""",
    "NG904 add_": """
import torch
torch.manual_seed(0)
X, y = torch.rand(200, 3), torch.ones(200)
w = torch.zeros(3, requires_grad=True)
lr = 0.5
for epoch in range(3000):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    w.data.add_(lr * w.grad)
    w.grad = None
""",
    "NG905 layers": """
import torch, torch.nn as nn
torch.manual_seed(0)
net = nn.Linear(4, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=3.0)
X = torch.randn(64, 4)
for step in range(500):
    loss = ((net(X) - 1) ** 2).mean()
    loss.backward()
    optimizer.step()
""",
    "NG906 embedding": """
import torch
table = torch.nn.Embedding(5, 2)
optimizer = torch.optim.RMSprop(table.parameters(), lr=0.1, eps=0.0)
loss = table(torch.tensor([1])).pow(2).sum()
loss.backward()
optimizer.step()
""",
    "NG906 keras": """
import tensorflow as tf
tf.keras.utils.set_random_seed(0)
unused = tf.keras.layers.Dense(2, activation="relu", bias_initializer=tf.keras.initializers.Constant(-50.0))
net = tf.keras.Sequential([tf.keras.Input((3,)), unused, tf.keras.layers.Dense(1)])
net.compile(tf.keras.optimizers.Adam(0.001, epsilon=0.0), "mse")
told = net.fit(tf.random.normal((8, 3)), tf.ones((8, 1)), epochs=2, verbose=0)
""",
    "NG501 quotient": """
import tensorflow as tf
scores = tf.constant([900.0, -20.0], tf.float16)
sharp = scores / tf.constant(0.01, tf.float16)
""",
    "NG401 rolling": """
import pandas as pd
level = pd.Series([5.0, 5.0, 5.0, 6.0, 8.0])
window = level.rolling(3)
z = (level - window.mean()) / window.std()
worst = z.iloc[2:].max()
""",
    "NG701 first step": """
import tensorflow as tf
v = tf.Variable([1.0, 2.0])
opt = tf.keras.optimizers.SGD(1e12)
with tf.GradientTape() as tape:
    goal = tf.reduce_sum(v * 1e30)
opt.apply_gradients([(tape.gradient(goal, v), v)])
""",
    "NG701 fit": """
import numpy as np, tensorflow as tf
tf.keras.utils.set_random_seed(0)
year = np.arange(1900, 1960, dtype="float32").reshape(-1, 1)
line = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1)])
line.compile(tf.keras.optimizers.SGD(0.02), "mse")
past = line.fit(year, 2 * year, epochs=6, batch_size=20, verbose=0)
""",
    "NG701 graph": """
import tensorflow as tf
x = tf.random.stateless_normal((30, 2), [1, 2])
w = tf.Variable(tf.zeros((2, 1)))
opt = tf.keras.optimizers.SGD(4.0)
@tf.function
def step():
    with tf.GradientTape() as tape:
        gap = tf.reduce_mean(tf.square(x @ w - 1.0))
    opt.apply_gradients([(tape.gradient(gap, w), w)])
    return gap
for _ in range(90):
    gap = step()
""",
    "NG701 third step": """
import torch
torch.manual_seed(0)
seen = torch.randn(100) * 2
log_s = torch.nn.Parameter(torch.zeros(1))
opt = torch.optim.SGD([log_s], lr=0.5)
for _ in range(50):
    opt.zero_grad()
    nll = (0.5 * (seen / log_s.exp()) ** 2 + log_s).mean()
    (-nll).backward()
    opt.step()
""",
    "NG601 data set": """
import numpy as np, tensorflow as tf
rows = np.ones((6, 2), "float32")
rows[3, 1] = np.nan
feed = tf.data.Dataset.from_tensor_slices(rows).batch(2)
total = 0.0
for some in feed:
    total = total + tf.reduce_sum(some)
""",
}
# Look like a pattern, are none: the named rule must keep silent.
INNOCENT = {
    "NG901 bounded": (
        "NG901",
        "import torch\nlogits = torch.tensor([2.0, -1.0])\nloss = torch.log(torch.tanh(logits))\n",
    ),
    "NG603 plain difference": (
        "NG603",
        "import torch\na, b = torch.tensor([1.0]), torch.tensor([3.0])\nc = torch.log(a - b)\n",
    ),
    "NG603 column scaled": (
        "NG603",
        "import numpy as np\nx = np.ones((5, 2))\nx_min, x_max = x.min(axis=0), x.max(axis=0)\n"
        "scaled = (x - x_min) / (x_max - x_min)\n",
    ),
    "NG603 slope": (
        "NG603",
        "import numpy as np\nx1, x2 = np.array([1.0]), np.array([1.0])\ny1, y2 = np.array([1.0]), np.array([2.0])\n"
        "slope = (y2 - y1) / (x2 - x1)\n",
    ),
    "NG603 padded rows": (
        "NG603",
        "import torch\nbox = torch.tensor([[1.0, 1.0, 4.0, 3.0], [0.0, 0.0, 0.0, 0.0]])\n"
        "w, h = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]\nslant = torch.atan(w / h)\n",
    ),
    "NG603 weights": (
        "NG603",
        "import torch\nw, h = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])\nq = torch.log(w - h)\n",
    ),
    "NG901 raw data": (
        "NG901",
        "import numpy as np\nraw_income = np.array([-1.0, 2.0])\nz = np.log(raw_income)\n",
    ),
    "NG901 marks of a test": (
        "NG901",
        "import numpy as np\nscores = np.array([-1.0, 2.0])\nz = np.log(scores)\n",
    ),
    "NG203 data": (
        "NG203",
        "import torch\nlarge = torch.tensor([3e30])\nsmall = torch.exp(-torch.tensor([2.0]))\nsquare = large ** 2\n",
    ),
    "NG505 small": (
        "NG505",
        "import numpy as np\nn = np.array([3, 100], np.int16)\nm = np.sqrt(np.mean(n ** 2) - 9e3)\n",
    ),
    "NG209 huge": ("NG209", "import numpy as np\nlarge = np.array([1e200])\nsquare = large ** 2\n"),
    "NG802 attribute filled elsewhere": (
        "NG802",
        """
import torch, torch.nn as nn
class Biased(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.empty(4))
    def forward(self, x):
        return x + self.shift[:3]
layer = Biased()
with torch.no_grad():
    layer.shift.index_fill_(0, torch.arange(4), float("nan"))
out = layer(torch.ones(2, 3))
""",
    ),
    "NG802 filled": (
        "NG802",
        "import torch\nw = torch.empty(2, 2)\nw.fill_(3e38)\ny = torch.ones(1, 2) @ w\n",
    ),
    "NG905 cleared": (
        "NG905",
        "import torch\nw = torch.tensor(2.0, requires_grad=True)\nopt = torch.optim.SGD([w], lr=1.0)\nfor _ in range(99):\n"
        "    loss = w ** 4\n    opt.zero_grad()\n    loss.backward()\n    opt.step()\n",
    ),
    "NG904 taken away": (
        "NG904",
        "import torch\nw = torch.tensor(2.0, requires_grad=True)\nfor _ in range(99):\n    loss = w ** 4\n"
        "    (g,) = torch.autograd.grad(loss, w)\n    with torch.no_grad():\n        w += -0.5 * g\n",
    ),
}


@pytest.fixture(scope="module")
def cells() -> dict[str, Cell]:
    """Every program, traced, in one process."""
    sources = {**PROGRAMS, **{name: source for name, (_, source) in INNOCENT.items()}}
    answers = run([{"cells": [source.strip()], "traced": None} for source in sources.values()])
    return {name: ran[0] for name, ran in zip(sources, answers, strict=True)}


def _best(cell: Cell) -> dict[str, Any]:
    best: dict[str, Any] = cell.alarms[0]["diagnoses"][0]
    return best


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_cause_is_named_first(name: str, cells: dict[str, Cell]) -> None:
    """Whatever the names and the spelling, the first diagnosis is the one that stands behind."""
    assert name.split()[0] == _best(cells[name])["rule"]


@pytest.mark.parametrize("name", INNOCENT)
def test_a_likeness_is_not_enough(name: str, cells: dict[str, Cell]) -> None:
    """A rule keeps silent where the source or the numbers say otherwise."""
    rules = [d["rule"] for f in cells[name].alarms for d in f["diagnoses"]]

    assert cells[name].alarms
    assert INNOCENT[name][0] not in rules


def test_a_product_that_wrapped_is_computed_in_a_wider_dtype(cells: dict[str, Cell]) -> None:
    """Before the product, not after it; and that was run."""
    rewrite = _best(cells["NG505 audio"])["rewrite"]

    assert "np.mean(blocks.astype(np.float64) ** 2, axis=1)" in rewrite["after"]
    assert rewrite["verified"]


def test_loaded_data_is_counted(cells: dict[str, Cell]) -> None:
    """How many, of how many, and where the first one is."""
    assert "`X` holds 1 NaN among 6 elements, the first at [1, 1]" in _best(cells["NG601 array"])["evidence"]
    assert '`df["b"]` holds 1 NaN among 3 elements, the first at [1]' in _best(cells["NG601 frame"])["evidence"]


def test_a_setting_that_was_tried_is_named_with_its_value(cells: dict[str, Cell]) -> None:
    """`zero_infinity=True` was run on the operands that failed; where the call is a layer's nothing is claimed."""
    tried = "Tried on the operands that failed: `zero_infinity=True` gives 0."

    assert tried in _best(cells["NG602 function"])["advice"]
    assert "Tried" not in _best(cells["NG602 layer"])["advice"]


def test_the_known_rate_is_named(cells: dict[str, Cell]) -> None:
    """Of the optimizer, or of the update that the user wrote out."""
    assert "The rate of `w` is 3." in _best(cells["NG701 method update"])["evidence"]


def test_growth_inside_of_graphs_is_told(cells: dict[str, Cell]) -> None:
    """The variables that `fit` and a `tf.function` write, by the factor per step; metrics are no parameters."""
    fit, graph = _best(cells["NG701 fit"])["evidence"], _best(cells["NG701 graph"])["evidence"]

    assert "The parameter `line.layers[0].kernel` grew from" in fit
    assert "per step" in fit
    assert "metrics" not in fit
    assert "The parameter `w` grew from" in graph
    assert "`gap` grew from" in graph


def test_what_a_data_set_hands_over_leads_to_what_it_was_made_from(cells: dict[str, Cell]) -> None:
    """The origin of a sum over a `tf.data` set is the line that made an element of its tensors NaN."""
    lines = {f["variable"]: f["origin"]["line"] for f in cells["NG601 data set"].alarms}

    assert lines["total"] == lines["rows"]


def test_axes_are_no_operands(cells: dict[str, Cell]) -> None:
    """Of a mean in TensorFlow the operand is what was averaged; along what is a setting."""
    operands = [f["origin"]["operands"] for f in cells["NG701 graph"].alarms]

    assert operands
    assert all("int" not in o["dtype"] for given in operands for o in given)
