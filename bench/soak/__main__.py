"""`python -m bench.soak`: run it, print the report, and exit with 0 only when nothing was wrong."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from bench.soak.run import Options, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    for one in fields(Options):
        parser.add_argument(f"--{one.name}", type=type(one.default), default=one.default, help=f"({one.default})")
    report = soak(Options(**vars(parser.parse_args())))
    print(report.text)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
