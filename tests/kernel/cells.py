"""Notebooks of a few cells whose every visible behaviour must be the same with numguard and without.

A cell gets `%%numguard` as its first line when it is traced, and a comment in the same place when it is not. In a cell
that names `{magic}` the line stands there instead (under another cell magic).
"""

# ruff: noqa: E501 - a cell is one string, readable as the cell that it is
from __future__ import annotations

from importlib.util import find_spec

NOTEBOOKS: dict[str, tuple[str, ...]] = {
    # --- display ---
    "last expression": ("x = 2\nx", "_ + 1, __", "len(Out), len(In)"),
    "semicolon": ("x = 3\nx;", "x; # comment", "x"),
    "none": ("None", "print('a')", "pass"),
    "order of outputs": (
        "from IPython.display import display, HTML, clear_output\nprint('a')\ndisplay(1)\nprint('b')\n"
        "display(HTML('<b>c</b>'))\nprint('d')\n'end'",
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.stdout.write('no newline')",
        "h = display('one', display_id='h')\nh.update('two')",
        "print('gone')\nclear_output()\nprint('kept')",
    ),
    "failing repr": ("class R:\n    def __repr__(self):\n        raise ValueError('no repr')\nR()", "print(R())"),
    "rich repr": ("class H:\n    def _repr_html_(self):\n        return '<i>h</i>'\nH()",),
    "interactivity all": (
        "get_ipython().ast_node_interactivity = 'all'",
        "1\n2\nx = 3",
        "get_ipython().ast_node_interactivity = 'last_expr_or_assign'",
        "y = 5",
        "get_ipython().ast_node_interactivity = 'last_expr'",
    ),
    # --- errors ---
    "error": ("x = 1\nx / 0\nprint('not reached')", "'after'"),
    "error in function": (
        "def outer(x):\n    def inner():\n        return 1 / x\n    return inner()\nouter(1)",
        "y = 1\nouter(0)",
        "%tb",
    ),
    "same text twice": ("def f():\n    raise KeyError('k')", "def f():\n    raise KeyError('k')", "f()"),
    "chained": (
        "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e",
        "try:\n    {}['a']\nexcept KeyError:\n    1 / 0",
        "raise RuntimeError('c') from None",
    ),
    "exception group": ("raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",),
    "custom traceback": ("class E(Exception):\n    def _render_traceback_(self):\n        return ['mine']\nraise E()",),
    "recursion": (
        "depth = 0\ndef f():\n    global depth\n    depth += 1\n    f()\ntry:\n    f()\nexcept RecursionError:\n    print(depth)",
    ),
    "assertion": ("assert 1 == 2, 'message'",),
    "exit": ("import sys\nsys.exit(3)", "raise SystemExit('bye')", "1"),
    "raised interrupt": ("raise KeyboardInterrupt", "2"),
    "xmode": ("%xmode Verbose", "a = 1\na / 0", "%xmode Minimal", "1 / 0", "%xmode Context"),
    "format_exc": (
        "import traceback, logging\ndef f():\n    return 1 / 0\ntry:\n    f()\nexcept Exception:\n    print(traceback.format_exc())",
        "try:\n    f()\nexcept Exception:\n    logging.exception('logged')",
    ),
    "stack": (
        "import traceback, inspect, sys\ntraceback.print_stack()",
        "len(inspect.stack()), [f.function for f in inspect.stack()]",
        "y = sys._getframe(3).f_code.co_name\ny",
    ),
    # --- syntax ---
    "syntax error": ("x = 1\ny = = 2\nz = 3", "def f(:\n    pass", "if True:\nx = 1", "x = 'abc", "f'{'"),
    "compile error": ("x = 1\nreturn 3", "x = 5\nbreak", "nonlocal q", "x"),
    "syntax warning": ("x = 1\nx is 2", "'\\d'"),
    "comment": ("# only a comment",),
    "indented": ("    x = 4\n    x",),
    "blank lines": ("\n\nx = 5\n\n\nx\n\n",),
    "future": (
        "from __future__ import annotations\ndef f(x: Undefined): pass\nf.__annotations__",
        "def g(x: AlsoUndefined): pass\ng.__annotations__",
    ),
    "source": (
        "import inspect\ndef f(a):\n    '''Doc.'''\n    return a\nclass C:\n    def m(self):\n        return 1\nprint(inspect.getsource(f))",
        "print(inspect.getsource(f), inspect.getsource(C.m), inspect.getsource(C), inspect.getsourcelines(f)[1])",
        "f.__code__.co_firstlineno, f.__module__, __name__",
    ),
    # --- asynchronous ---
    "await": (
        "import asyncio\nawait asyncio.sleep(0.01)\n5",
        "async def f(x):\n    await asyncio.sleep(0)\n    return 1 / x\nawait f(1)",
        "await f(0)",
        "async for i in f(1): pass",
        "_",
    ),
    "tasks": (
        "import asyncio\nasync def later():\n    await asyncio.sleep(0.05)\n    result.append(1)\nresult = []\n"
        "task = asyncio.ensure_future(later())",
        "await task\nresult",
        "await asyncio.gather(later(), later())\nlen(result)",
        "len(asyncio.all_tasks())",
    ),
    "context variables": (
        "import contextvars\nv = contextvars.ContextVar('v', default=0)\nv.set(1)",
        "v.get()",
        "await asyncio.sleep(0) if 'asyncio' in dir() else None\nv.set(2)",
        "v.get()",
    ),
    "threads": (
        # The kernel's own threads come and go (its history gives up on a locked file): only new ones are counted.
        "import threading\nbefore = threading.enumerate()\n"
        "def work():\n    box.append(threading.current_thread() is threading.main_thread())\nbox = []\n"
        "t = threading.Thread(target=work); t.start(); t.join()\nbox",
        "def fail():\n    raise ValueError('in thread')\nt = threading.Thread(target=fail); t.start(); t.join()",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as p:\n    r = list(p.map(abs, [-1, -2]))\nr",
        "[t.name for t in threading.enumerate() if t not in before]",
    ),
    # --- IPython syntax ---
    "magics inside": (
        "%time x = 1\nx",
        "y = %time 2\ny",
        "%timeit -n1 -r1 pass",
        "!echo hi",
        "files = !echo a b\nfiles",
        "x = 1\n%who",
    ),
    "help": ("x = 1\nlen?", "def f():\n    '''Doc.'''\nf??", "?len"),
    "unknown magics": ("x = 1\n%nosuchmagic", "%numgard on"),
    "expansion": ("name = 'hi'\n!echo $name {name}", "%time print('$name')"),
    "payload": ("get_ipython().set_next_input('next')\n1",),
    "names": ("sorted(n for n in dir() if not n.startswith('_i'))", "%who_ls", "sorted(globals()) == sorted(locals())"),
    "history": ("'marked'", "In[-2].endswith(\"'marked'\"), len(In), _i.endswith(\"'marked'\")", "%history -l 1"),
    "user magics": (
        "from IPython.core.magic import register_line_magic, register_cell_magic\n@register_line_magic\ndef twice(line):\n"
        "    return line * 2\n@register_cell_magic\ndef body(line, cell):\n    return cell",
        "%twice ab",
        "get_ipython().run_cell_magic('body', '', 'text')",
    ),
    "stdin": ("input('?')",),
    "run": (
        "with open('script.py', 'w') as f:\n    _ = f.write('v = 7\\nprint(__name__)\\n')",
        "%run script.py\nv",
        "with open('fails.py', 'w') as f:\n    _ = f.write('1 / 0\\n')",
        "%run fails.py",
        "%run -i script.py",
    ),
    "nested shell": (
        "r = get_ipython().run_cell('a = 5\\na')\nr.result",
        "r = get_ipython().run_cell('1 / 0')\nr.success",
        "r = get_ipython().run_cell('6', store_history=True)\nr.execution_count",
        "r = get_ipython().run_cell('')\n'after empty'",
        "get_ipython().ex('b = 3')\nb, get_ipython().ev('b + 1')",
        "_",
    ),
    # --- cell magics below and above ---
    "time": ("%%time\nx = 1\nx", "%%time\n{magic}\nx = 2\nx", "%%time\n{magic}\nx", "%%time\n1 / 0", "%%time\n{magic}\n1 / 0"),
    "time and future": ("%%time\nfrom __future__ import annotations\ny = 1", "%%time\n{magic}\nfrom __future__ import annotations\ny"),
    "timeit": ("%%timeit -n2 -r1\nprint('t')", "%%timeit -n2 -r1\n{magic}\nprint('t')", "%%timeit -n1 -r1 y = 1\ny"),
    "capture": (
        "%%capture cap\nprint('hidden')\n3",
        "cap.stdout, len(cap.outputs)",
        "%%capture cap\n{magic}\nprint('hidden')\n4",
        "cap.stdout, cap.stderr, len(cap.outputs)",
        "%%capture cap\n{magic}\n1 / 0",
        "cap.stdout[:20]",
        "%%time\n%%capture cap\n{magic}\nprint(1)",
    ),
    "prun": ("%%prun -q -r\nx = 1", "%%prun -q -r\n{magic}\nx = 1"),
    "unknown cell magic": ("%%nosuchmagic\nx = 1",),
    "cell magic of the user": (
        "from IPython.core.magic import register_cell_magic\n@register_cell_magic\ndef shout(line, cell):\n"
        "    print(line.upper(), cell.upper())\n    return len(cell)",
        "%%shout now\nx = 1",
    ),
    # --- warnings and numpy's error state ---
    "warnings": (
        "import warnings\nwarnings.warn('one')\nwarnings.warn('two', DeprecationWarning)",
        "for _ in range(3):\n    warnings.warn('repeated')",
        "def f():\n    warnings.warn('caller', stacklevel=2)\nf()\nf()",
        "with warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n    warnings.warn('r')\n"
        "[(str(i.message), i.lineno, i.category) for i in w]",
        "with warnings.catch_warnings():\n    warnings.simplefilter('error')\n    warnings.warn('as error')",
        "warnings.filters[:2]",
    ),
    "numpy warnings": (
        "import numpy as np\nnp.log(np.zeros(2)).shape",
        "for _ in range(3):\n    np.log(np.zeros(1)).sum() > 0",
        "np.array([1.0]) / 0\n(np.float32(1e38) * np.float32(1e38)) > 1",
        "import warnings\nwith warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n"
        "    q = np.sqrt(np.array([-1.0])).size\n[(str(i.message), i.lineno, i.category.__name__) for i in w]",
        "def g(x):\n    return np.log(x)\nwith warnings.catch_warnings():\n    warnings.simplefilter('error')\n    g(np.zeros(1))",
        "import traceback\nwith warnings.catch_warnings():\n    warnings.simplefilter('error')\n    try:\n        g(np.zeros(1))\n"
        "    except RuntimeWarning as e:\n        print(type(e), e)",
    ),
    "numpy error state": (
        "import numpy as np\nold = np.seterr(divide='ignore')\nold",
        "np.geterr(), np.log(np.zeros(1)).size",
        "with np.errstate(divide='raise'):\n    np.log(np.zeros(1))",
        "with np.errstate(all='ignore'):\n    n = np.log(np.zeros(1)).size\nnp.geterr()",
        "np.seterrcall(lambda kind, flag: print('call', kind, flag))\nnp.seterr(divide='call')",
        "np.log(np.zeros(1)).size",
        "np.seterrcall(None)\nnp.seterr(**old)\nnp.geterr()",
    ),
    # --- the rest of Python ---
    "exec and eval": ("exec('a = 1\\nb = a + 1')\nb", "eval('1 / 0')", "exec('def f():\\n    return 1 / 0')\nf()"),
    "scopes": (
        "def outer():\n    n = 0\n    def inc():\n        nonlocal n\n        n += 1\n        return n\n    return inc\ni = outer()\ni(), i()",
        "[k for k in range(3)], {k: v for k, v in zip('ab', [1, 2])}\nglobal zz\nzz = 1\nzz",
        "del i\ni",
        "import dataclasses, pickle\n@dataclasses.dataclass\nclass D:\n    a: int = 1\npickle.loads(pickle.dumps(D())), D.__module__",
        "def gen():\n    yield 1\n    raise ValueError\nlist(gen())",
    ),
    "hooks of the interpreter": (
        "import sys, gc, threading\nsys.gettrace(), sys.getprofile(), len(gc.callbacks), sys.excepthook.__name__, sys.displayhook.__class__",
        "import signal\nsignal.getsignal(signal.SIGINT).__name__, sys.getrecursionlimit()",
    ),
    "matplotlib": ("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('text')", "fig, ax = plt.subplots()\nax.bar([1], [2]);"),
    # --- what other extensions do ---
    "others' events": (
        "def before(info): print('pre', info.store_history)\ndef after(result): print('post', result.success, result.execution_count)\n"
        "ev = get_ipython().events\nev.register('pre_run_cell', before)\nev.register('post_run_cell', after)",
        "1",
        "1 / 0",
        "ev.unregister('pre_run_cell', before)\nev.unregister('post_run_cell', after)",
    ),
    "others' transformers": (
        "def greek(lines):\n    return lines if lines[0].startswith('%%') else [l.replace('λ', 'lambda ') for l in lines]\n"
        "get_ipython().input_transformers_cleanup.append(greek)",
        "(λx: x + 1)(2)",
        "import ast\nclass Negate(ast.NodeTransformer):\n    def visit_Constant(self, node):\n"
        "        return ast.copy_location(ast.Constant(-node.value), node) if type(node.value) is int else node\n"
        "n = Negate(); get_ipython().ast_transformers.append(n)",
        "5",
        "get_ipython().ast_transformers.remove(n)\nget_ipython().input_transformers_cleanup.remove(greek)",
    ),
    "others' wrappers": (
        "sh = get_ipython()\ninner = sh.run_code\nasync def theirs(*a, **k):\n    calls.append(1)\n    return await inner(*a, **k)\n"
        "calls = []\nsh.run_code = theirs",
        "a = 1\nb = 2\n1 / 0",
        "n = len(calls)\ndel sh.run_code\nn > 3",
        "'still runs'",
    ),
    "custom exceptions": (
        "def handler(self, etype, value, tb, tb_offset=None):\n    print('handled', etype.__name__)\n"
        "get_ipython().set_custom_exc((ZeroDivisionError,), handler)",
        "1 / 0",
        "get_ipython().set_custom_exc((), None)",
    ),
}  # fmt: skip

if find_spec("torch") is not None:  # errors raised while an operation runs through a recorder
    NOTEBOOKS |= {
        "torch warnings": (
            "import torch, warnings\nx = torch.tensor([1.0]).std()",
            "def f(x):\n    return x.std()\nfor _ in range(2):\n    v = f(torch.ones(1)).numel()\nv",
            "w = torch.ones(1, requires_grad=True)\nfloat(w)",
            "g = (w * 2).grad",
            "s = torch.nn.functional.softmax(torch.ones(2)).shape\ns",
            "with warnings.catch_warnings():\n    warnings.simplefilter('error')\n    f(torch.ones(1))",
        ),
        "torch errors": (
            "import torch, torch.nn.functional as F\na = torch.zeros(2, 3)\na @ a",
            "F.cross_entropy(a, torch.zeros(5, dtype=torch.long))",
            "torch.nn.Linear(4, 2)(a)",
            "def f(x):\n    return torch.cat([x, x[0]])\nf(a)",
            "w = torch.ones(2, requires_grad=True)\nl = (w * w).sum()\nl.backward()\nl.backward()",
            "F.softmax('text', 0)",
            "torch.nn.MultiheadAttention(4, 2)(a, a, a)",
            "torch.zeros(2).item()",
            "w.add_(1)",
            "torch.optim.SGD([w], lr=0.1).step(lambda: 1 / 0)",
        ),
    }
