"""The user's own names in a namespace, found again without reading all of it.

IPython adds a name or two for every execution (`_i7`, `_7`). Going through all names at every statement would make a long
session slow. New names stand at the end of a dictionary, so it is read from there until the one that was the newest; where the
number of names then does not add up (one was deleted, and bound anew), all of it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .snapshot import is_users


class UserNames:
    """The names of one namespace; any thread may ask."""

    def __init__(self, space: Callable[[], Mapping[str, object]]) -> None:
        """`space` gives the namespace, which may be another dictionary the next time."""
        self._space = space
        self._of: Mapping[str, object] | None = None
        self._users: dict[str, None] = {}
        self._hidden = 0  # names that are not the user's: as many as the executions, so that only their number is kept
        self._last: object = None  # the name that was the newest

    def values(self) -> dict[str, object]:
        """The user's names with what they hold."""
        space = self._space()
        if space is self._of and isinstance(space, dict) and self._read_end(space):
            found = {name: space[name] for name in list(self._users) if name in space}
            if len(found) + self._hidden == len(space):
                return found
        items = list(space.items())
        users = {name: value for name, value in items if is_users(name)}
        self._of, self._users = space, dict.fromkeys(users)
        self._hidden = len(items) - len(users)
        self._last = items[-1][0] if items else None
        return users

    def _read_end(self, space: dict[str, object]) -> bool:
        """Take in the names that were added; False where another thread added one meanwhile."""
        new = []
        try:
            for name in reversed(space):
                if name == self._last:
                    break
                new.append(name)
        except RuntimeError:
            return False
        for name in reversed(new):
            if is_users(name):
                self._users[name] = None
            else:
                self._hidden += 1
            self._last = name
        return True
