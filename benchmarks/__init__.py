"""One runnable file per claim about speed; see `README.md` beside this file."""
