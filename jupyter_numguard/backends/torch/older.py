"""Graphs that an earlier cell built: a backward pass through them is seen although their forward pass was not.

The nodes are hooked when the pass begins and unhooked when it ends. Which line made a node is not known here; where the
earlier cell was traced, the hook that it left on the node knows it and comes first (`backward._Hook`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backward import Backward

MAX_NODES = 50_000


class Older:
    """The hooks on nodes from before the recording, while one backward pass runs."""

    def __init__(self, backward: Backward) -> None:
        self._backward = backward
        self._handles: list[Any] = []
        self._is_first = True

    def hook(self, roots: list[Any], start: int) -> None:
        """Hook every node below `roots` that has a sequence number below `start`.

        A root from before is always followed. Below one that was recorded older nodes are rare, and looked for only in
        the first pass: that is one walk over the graph.
        """
        if not any(node._sequence_nr() < start for node in roots) and not self._is_first:
            return
        self._is_first = False
        todo: list[Any] = list(roots)
        seen: set[Any] = set()
        while todo and len(seen) < MAX_NODES:
            node = todo.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            leaf = getattr(node, "variable", None)
            if leaf is not None:
                self._backward.leaves.watch((leaf,), None)
            elif node._sequence_nr() < start:
                handle = self._backward.watch_older(node)
                if handle is not None:
                    self._handles.append(handle)
            todo += [n for n, _ in node.next_functions]

    def unhook(self) -> None:
        """The pass is over, or the recording is."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
