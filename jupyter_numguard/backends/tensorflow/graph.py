"""What is known of one instrumented function graph: its float results as nodes, what they were made from, what they reach.

A node stands for every tensor that only moves its values. Times come from the flags' memory after the graph ran
(`flagging.py`): 0 never, else when it was first non-finite.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from ...opevents import OpEvent, Scope
from . import private
from .capture import Capture
from .looks import Look


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the user's code; graphs keep no code objects."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class GraphPlace:
    """Where an operation of a graph comes from.

    Attributes:
        line: The user's line, None if only libraries built it.
        forward: For gradients, the line of the forward operation; `forward_op` its type.
        api: The library function that the user called; for gradients, in the forward line.
        is_own_gradient: The user's own gradient function runs (`tf.custom_gradient`).
        scope: The names that the line saw, with the graph's tensors; for gradients, that the forward line saw.
    """

    line: Line | None
    forward: Line | None
    forward_op: str
    api: str
    is_update: bool
    scope: Scope | None = None
    is_own_gradient: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One float result in a graph.

    Attributes:
        name: The operation's name in the graph.
        operands: Nodes that its operands hold the values of.
        is_source: Its values were not computed in this graph.
        is_wide: NaN and Inf are told apart.
        callees: Names of the graphs that the operation calls.
        resource: For a read of a variable, the tensor of its handle in the graph.
        captured: For a placeholder, its own tensor.
        forward: For a gradient, the forward operation in its graph.
        targets: For a gradient, the (graph, node)s of the loss whose gradient it is part of.
    """

    op: str
    name: str
    place: GraphPlace
    operands: frozenset[int]
    is_source: bool
    is_wide: bool
    callees: tuple[str, ...] = ()
    resource: Any = None
    captured: Any = None
    forward: Any = None
    targets: tuple[tuple[Any, int], ...] = ()


@dataclass(slots=True, eq=False)
class Root:
    """One traced function that the user (or Keras) calls from eager code.

    Attributes:
        runs, lost: Variables: how often it ran; the step in which something non-finite first left it.
        rearmed: How often its flags were set back after a result was told.
        statement, called_from: Where it was called from first.
    """

    name: str
    runs: Any = None
    lost: Any = None
    rearmed: int = 0
    statement: int = -1
    called_from: tuple[tuple[CodeType, int, int], ...] | None = None


@dataclass(slots=True, eq=False)
class FlaggedGraph:
    """One instrumented graph.

    Attributes:
        outer: The graph that this one is a branch, a body or a callee of.
        nodes: In the order of building.
        of: Tensor name -> the nodes whose values it holds.
        callees: Name of a tensor that wraps others up -> names of the graphs that filled it.
        flags, tensors: How each node is looked at (None: once the step was lost) and its tensor, while the graph is built.
        summed: Nodes that an AddN of three or more gets. It adds in an order that depends on whose memory it may reuse: who
            kept that memory would change the user's bits.
        is_differentiated: Variable of a late graph: 1 if its gradient is taken outside of it.
        writes: (the handle's tensor in the graph, nodes of the value written).
        outs: Nodes of the function's results.
        memory: The variable that holds each node's times, [n, 3] (NaN, Inf, run).
        times: Its value, as read last.
        capture: What the graph gets in each step, of an outermost graph that XLA does not compile.
        input_events: Event of the eager tensor that is the k-th input of the call; `first_events`, of any call first.
    """

    graph: Any
    outer: FlaggedGraph | None
    root: Root
    is_backward: bool = False
    is_xla: bool = False
    nodes: list[Node] = field(default_factory=list)
    of: dict[str, frozenset[int]] = field(default_factory=dict)
    callees: dict[str, tuple[str, ...]] = field(default_factory=dict)
    flags: list[Look | None] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    summed: set[int] = field(default_factory=set)
    is_differentiated: Any = None
    writes: list[tuple[Any, frozenset[int]]] = field(default_factory=list)
    outs: frozenset[int] = frozenset()
    memory: Any = None
    runs: Any = None
    is_done: bool = False
    times: Any = None
    capture: Capture | None = None
    input_events: dict[int, OpEvent] = field(default_factory=dict)
    first_events: dict[int, OpEvent] = field(default_factory=dict)

    def callees_of(self, tensors: Iterable[Any]) -> tuple[str, ...]:
        """Names of the graphs that filled some wrapped-up tensors."""
        return tuple(name for t in tensors for name in self.callees.get(t.name, ()))

    @property
    def is_late(self) -> bool:
        """Whether its results are looked at only when something non-finite leaves it: a function's graph, no branch or body."""
        return type(self.graph) is private.FuncGraph and not self.is_backward and not self.is_xla

    @property
    def outermost(self) -> FlaggedGraph:
        """The graph that is called from eager code."""
        return self if self.outer is None else self.outer.outermost

    def nodes_of(self, tensors: Iterable[Any]) -> frozenset[int]:
        """The nodes whose values some graph tensors hold."""
        return frozenset().union(*(self.of.get(getattr(t, "name", ""), ()) for t in tensors))

    def is_handed_on(self, index: int) -> bool:
        """Whether an output is no result of the function's, but what its gradient needs: no variable ever holds it."""
        return index < len(self.graph.outputs) and not self.nodes_of([self.graph.outputs[index]]) <= self.outs

    def when(self, node: int) -> float:
        """When the node was first non-finite; 0 if never."""
        nan, inf = self.times[node][0], self.times[node][1]
        return float(min(t for t in (nan, inf) if t > 0)) if nan > 0 or inf > 0 else 0.0
