"""The soak: everything at once, for minutes. `make soak`, or `python -m bench.soak --help`."""
