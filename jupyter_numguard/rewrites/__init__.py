"""One stable rewrite per file; `rewrite.py` says what a file holds. Nothing to register."""
