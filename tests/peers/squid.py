"""squid as a child: a forwarding proxy that asks for a password, and one that does not."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers.ports import reserved
from peers.process import Process
from programs import program

CONFIG = """\
http_port 127.0.0.1:{open}
http_port 127.0.0.1:{guarded} name=guarded
visible_hostname squid.test
pid_filename none
access_log none
cache_log stdio:/dev/null
cache_store_log none
netdb_filename none
cache deny all
cache_mem 1 MB
coredump_dir none
pinger_enable off
max_filedescriptors 1024
shutdown_lifetime 0 seconds
forward_max_tries 1
connect_timeout 2 seconds
auth_param basic program /bin/sh {folder}/password.sh
auth_param basic children 2 startup=1
auth_param basic realm squid
acl at_guarded myportname guarded
acl known proxy_auth REQUIRED
acl denied dstdomain denied.test
http_access deny denied
http_access deny at_guarded !known
http_access allow all
"""

PASSWORD = """\
while read -r user rest; do
    if [ "$user $rest" = "me open%20sesame" ]; then echo OK; else echo ERR; fi
done
"""
"""squid asks with a line for each caller: user and password, escaped as in a URL."""


@dataclass
class Squid:
    """A running squid and where it is reached."""

    process: Process
    folder: Path
    ports: dict[str, int]

    @property
    def open(self) -> str:
        return f"http://127.0.0.1:{self.ports['open']}"

    def guarded(self, login: str = "") -> str:
        """The proxy's URL with a user and a password in it."""
        return f"http://{login}127.0.0.1:{self.ports['guarded']}"

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()

    def start(self) -> None:
        """Start it again, on the same ports."""
        self.process = _start(self.folder, self.ports)
        self.process.wait_listening(self.ports.values(), "squid")


def _start(folder: Path, ports: dict[str, int]) -> Process:
    options = ["-N", "-d", "1", "-f", "squid.conf", "-n", _name(ports)]
    return Process([program("squid", "apt-get install squid"), *options], folder)


def _name(ports: dict[str, int]) -> str:
    """Its own name: squids of the same name, the system's among them, would share memory."""
    return f"peer{ports['open']}"


NAMES = ("open", "guarded")


@contextlib.contextmanager
def running() -> Iterator[Squid]:
    """One squid, until the block ends.

    A squid that is started by root goes on as another user, who must be let into its folder.
    """
    with reserved(len(NAMES)) as numbers, tempfile.TemporaryDirectory(prefix="squid-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        ports = dict(zip(NAMES, numbers, strict=True))
        (folder / "squid.conf").write_text(CONFIG.format(folder=folder, **ports))
        (folder / "password.sh").write_text(PASSWORD)
        squid = Squid(_start(folder, ports), folder, ports)
        try:
            squid.process.wait_listening(numbers, "squid")
            yield squid
        finally:
            squid.kill()
            for left in Path("/dev/shm").glob(f"{_name(ports)}-*"):
                left.unlink()
