"""The entry of `python -m resilient_client` and of the script `resilient-client`."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

NEEDED: Final = ("typer", "rich")


def main() -> NoReturn:
    """Run the command line and exit with its code; without the extra `cli`, say so and exit with 2."""
    try:
        import rich  # noqa: F401, PLC0415 - looked for here so that one sentence covers both

        from resilient_client.cli.app import run  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in NEEDED:
            raise
        print(  # noqa: T201 - the command line's own output
            "the command line needs typer and rich: install resilient-client[cli]", file=sys.stderr
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run())


if __name__ == "__main__":
    main()
