"""Sessions that make the hooks visible: they run inside the kernel, in place of the real one.

A test runs `use(...)` in its kernel: it loads numguard with one of the classes and leaves only `__session__` behind, among
the builtins, where `%who` and `dir()` do not see it.
"""

from __future__ import annotations

SOURCE = '''
from jupyter_numguard.magics import load, unload
from jupyter_numguard.session import Session

class Recording(Session):
    """Writes down every call, and the thread that made it."""
    def __init__(self, shell):
        super().__init__(shell)
        self.calls = []
    def _note(self, *call):
        import threading
        self.calls.append((threading.current_thread().name.split("-")[0], *call))
    def start_cell(self, raw, cell_id):
        self._note("start_cell", raw, cell_id)
    def start_trace(self, options):
        self._note("start_trace", options.stop, options.quiet)
    def before_statement(self, code):
        self._note("before", self._line(code))
    def after_statement(self, code):
        self._note("after", self._line(code))
    def _line(self, code):
        return min(p[0] for p in code.co_positions() if p[0] and p[2] is not None)
    def end_cell(self, result):
        self._note("end_cell", getattr(result, "success", None))
    def take(self):
        calls, self.calls[:] = [c[1:] if c[0] == "MainThread" else c for c in self.calls], []
        return calls

class Failing(Session):
    """One method raises, each time."""
    def __init__(self, shell, name, error):
        super().__init__(shell)
        def fail(*args, **kwargs):
            raise error
        setattr(self, name, fail)
'''


def use(session: str) -> str:
    """A cell that loads numguard with `session`, an expression that may use Recording, Failing and shell."""
    return (
        f"{SOURCE}\nshell = get_ipython()\nunload(shell)\n__builtins__.__session__ = {session}\n"
        "load(shell, __session__)\ndel load, unload, Session, Recording, Failing, shell"
    )
