"""Bodies far larger than the memory that reading them may take, each in a process of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from resilient_client.testing import steps

MIB = 1024 * 1024

READER = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from resilient_client import Client, Policy, Timeouts

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    policy = Policy(timeouts=Timeouts(total=None), max_body=2**40)
    with Client("a", base_url=sys.argv[1], policy=policy) as client:
        client.get("/text")
        idle = most = resident()
        read = 0
        with client.stream("GET", "/") as result:
            for number, piece in enumerate(getattr(result, sys.argv[2])()):
                read += len(piece)
                most = max(most, resident()) if number % 64 == 0 else most
                if read >= 256 * 2**20:
                    break
    print(most - idle)
    """
)


linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for the resident pages")


@linux
@pytest.mark.parametrize("how", ["iter_bytes", "iter_lines"])
def test_256_mebibytes_take_less_than_20_of_memory(fault_server, how):
    fault_server.on("/", steps.endless_body(piece=(b"x" * 4095 + b"\n") * 16))
    reader = [sys.executable, "-c", READER, fault_server.url, how]
    over_idle = int(subprocess.run(reader, check=True, capture_output=True, text=True, timeout=100).stdout)
    assert over_idle < 20 * MIB


@pytest.fixture(scope="module")
def bombs():
    bombs = pytest.importorskip("bench.bombs", reason="the measurements are not here")
    with bombs.bombing(mebibytes=128) as server:
        yield lambda coding, way, cap: bombs.cost(server, coding, way, cap)


@linux
@pytest.mark.parametrize(
    ("coding", "way"),
    [("gzip", "called"), ("gzip", "streamed_async"), ("deflate", "awaited"), ("deflate", "streamed")],
)
def test_a_bomb_costs_its_reader_the_cap_and_a_mebibyte_at_most(bombs, coding, way):
    assert bombs(coding, way, 8 * MIB) <= 9 * MIB
