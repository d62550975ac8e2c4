"""One root-cause rule per file; `rule.py` says what a file holds. Nothing to register."""
