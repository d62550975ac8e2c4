"""Training programs of usual shapes, each as a function that makes a `step`: one call is one training step.

Sizes are such that a step takes 5 to 40 ms on one CPU thread: small enough that an overhead per operation shows.
"""

from __future__ import annotations

from collections.abc import Callable

Step = Callable[[], object]


def torch_mlp() -> Step:
    """Four linear layers, Adam."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 512),
        nn.ReLU(),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Linear(512, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )
    return _classifier(model, torch.randn(256, 64), torch.randint(0, 10, (256,)))


def torch_cnn() -> Step:
    """Three blocks of convolution, batch norm and pooling, Adam."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    def block(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]

    model = nn.Sequential(*block(3, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 16, 10))
    return _classifier(model, torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,)))


def torch_transformer() -> Step:
    """Two encoder layers written out in tensor operations, as users write them, AdamW."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)

    class Layer(nn.Module):
        """Causal attention and a feed-forward part."""

        def __init__(self, d: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
            self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
            self.first, self.second = nn.LayerNorm(d), nn.LayerNorm(d)
            self.drop = nn.Dropout(0.1)

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            """One layer."""
            b, n, d = x.shape
            q, k, v = self.qkv(self.first(x)).chunk(3, -1)
            q, k, v = (t.view(b, n, self.heads, d // self.heads).transpose(1, 2) for t in (q, k, v))
            weights = (q @ k.transpose(-2, -1) / (d // self.heads) ** 0.5 + mask).softmax(-1)
            x = x + self.drop(self.out((weights @ v).transpose(1, 2).reshape(b, n, d)))
            return x + self.drop(self.down(F.gelu(self.up(self.second(x)))))

    class Model(nn.Module):
        """Token classifier."""

        def __init__(self, vocabulary: int = 500, d: int = 128, n: int = 64) -> None:
            super().__init__()
            self.embed, self.place = nn.Embedding(vocabulary, d), nn.Parameter(torch.zeros(n, d))
            self.layers = nn.ModuleList(Layer(d, 4) for _ in range(3))
            self.head = nn.Linear(d, vocabulary)
            self.register_buffer("mask", torch.full((n, n), -torch.inf).triu(1))

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            """Logits, (batch * length, vocabulary)."""
            x = self.embed(tokens) + self.place
            for layer in self.layers:
                x = layer(x, self.mask)
            return self.head(x).flatten(0, 1)

    tokens = torch.randint(0, 500, (8, 65))
    return _classifier(Model(), tokens[:, :-1], tokens[:, 1:].flatten(), name="AdamW")


def _classifier(model: object, x: object, y: object, name: str = "Adam") -> Step:
    import torch
    from torch.nn import functional as F

    optimizer = getattr(torch.optim, name)(model.parameters(), lr=1e-3)  # type: ignore[attr-defined]

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)  # type: ignore[operator, arg-type]
        loss.backward()
        optimizer.step()
        return loss

    return step


TORCH = {"MLP": torch_mlp, "CNN": torch_cnn, "transformer": torch_transformer}


def numpy_mlp() -> Step:
    """Two layers, the gradient written out by hand, momentum."""
    import numpy as np

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(128, 64)), rng.normal(size=(128, 1))
    w1, w2 = rng.normal(size=(64, 128)) * 0.1, rng.normal(size=(128, 1)) * 0.1
    v1, v2 = np.zeros_like(w1), np.zeros_like(w2)

    def step() -> float:
        h = np.tanh(x @ w1)
        error = h @ w2 - y
        g2 = h.T @ error / len(x)
        g1 = x.T @ ((error @ w2.T) * (1 - h**2)) / len(x)
        v1[:], v2[:] = 0.9 * v1 - 0.01 * g1, 0.9 * v2 - 0.01 * g2
        w1[:], w2[:] = w1 + v1, w2 + v2
        return float(np.mean(error**2))

    return step
