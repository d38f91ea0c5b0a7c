"""Files under adverse conditions: two at once, a full disk, names that lead elsewhere, cancellation at any moment."""

import asyncio
import contextlib
import errno
import fcntl
import gc
import os
import random
import subprocess
import sys
import threading

import pytest

from resilient_client import AsyncClient, Client, ConfigError, Policy, Retry, Timeouts
from resilient_client.backends.asynchronous import AsyncioBackend
from resilient_client.testing import FaultServer, VirtualWorld, steps
from resilient_client.transfers import file_sink
from resilient_client.transfers.part import Part
from resilient_client.transfers.resume import Piece

CONTENT = random.Random(5).randbytes(5000)
ONCE = Policy(retry=None, timeouts=Timeouts(total=30))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.bin"


def part_of(path):
    return path.with_name("file.bin.part")


def here(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def download(path, content=CONTENT, **options):
    """Download to `path` in a world of its own."""
    world = VirtualWorld()
    world.on("/f", steps.file(content))
    return world.client(policy=ONCE).download("/f", path, **options)


# What is wrong is said at once.


def test_a_path_that_cannot_be_is_refused_before_anything_is_sent(tmp_path):
    world = VirtualWorld()
    client = world.client()
    (tmp_path / "there").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    for given, said in (
        (tmp_path, "is a directory"),
        (f"{tmp_path}/new/", "is a directory"),
        (tmp_path / "none" / "file", "no directory"),
        (tmp_path / "there" / "file", "no directory"),
        (tmp_path / "pipe", "no regular file"),
        ("/dev/null", "no regular file"),
        ("", "no path"),
        (".", "is a directory"),
        ("a\0b", "no path"),
        ("/" + "x" * 300, "too long"),
    ):
        with pytest.raises(ConfigError, match=said):
            client.download("/f", given)
    for given in (None, 7, b"file"):
        with pytest.raises(TypeError, match="path="):
            client.download("/f", given)
    assert world.journal.requests == []


@pytest.mark.parametrize(
    ("digest", "said"),
    [
        ("9f86d0", "write the algorithm"),
        ("sha256:", "write the algorithm"),
        ("sha256:xyz", "write the algorithm"),
        ("sha256:9f86", "64 hexadecimal digits, these are 4"),
        ("sha257:9f86", "not known here"),
        ("shake_128:9f86", "not known here"),
    ],
)
def test_a_digest_that_cannot_be_is_refused(path, digest, said):
    with pytest.raises(ConfigError, match=said):
        download(path, digest=digest)


def test_what_has_the_wrong_type_is_refused(path):
    async def progress(done, total): ...

    for options in ({"digest": 7}, {"progress": 7}, {"progress": progress}):
        with pytest.raises(TypeError, match=f"{next(iter(options))}="):
            download(path, **options)


def test_a_range_of_the_callers_own_is_refused(path):
    for name in ("Range", "if-range"):
        with pytest.raises(ValueError, match=f"{name}.*stream"):
            download(path, headers={name: "bytes=0-1"})
    world = VirtualWorld()
    with pytest.raises(ValueError, match="Range"):
        world.client(headers={"Range": "bytes=0-1"}).download("/f", path)


def test_options_are_checked_as_for_every_verb(path):
    with pytest.raises(TypeError, match="unknown option decode="):
        download(path, decode=dict)


def test_a_relative_path_stays_where_it_was_when_the_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    result = download("file.bin", progress=lambda *_: os.chdir(tmp_path / "elsewhere"))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert str(result.value.path) == "file.bin"


# Not overwriting.


def test_what_is_there_is_not_overwritten_unless_it_may_be(path):
    path.write_bytes(b"before")
    with pytest.raises(ConfigError, match="overwrite=False"):
        download(path, overwrite=False)
    assert download(path).value.size == 5000


def test_what_comes_meanwhile_is_not_overwritten_either(path):
    failure = download(path, overwrite=False, progress=lambda *_: path.write_bytes(b"meanwhile"))
    assert failure.kind == "local"
    assert path.read_bytes() == b"meanwhile"
    assert download(path, overwrite=True)


def test_a_new_file_that_must_not_overwrite_is_a_file_of_its_own(path):
    assert download(path, overwrite=False)
    assert here(path) == ["file.bin"]
    assert path.stat().st_nlink == 1


def test_a_part_that_is_the_finished_file_by_another_name_is_let_go_of(path):
    assert download(path)
    part_of(path).hardlink_to(path)  # as a process leaves it that is killed between two steps
    part = Part(path, "url", None)
    part.open()
    part.begin(Piece(0, None, None, None))
    part.close()
    assert path.read_bytes() == CONTENT


# Two at once.


def test_of_two_at_once_to_the_same_place_one_says_that_it_cannot(world, path):
    world.on("/f", steps.file(CONTENT, piece=500, every=0.03))
    client = world.client(policy=ONCE)
    results = world.together([lambda: client.client.download("/f", path)] * 2)
    (failure,) = [result for result in results if not result]
    assert failure.kind == "local"
    assert "another download" in failure.message
    assert not failure.sent
    assert path.read_bytes() == CONTENT
    assert here(path) == ["file.bin"]


def test_another_process_has_the_place(path):
    holder = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, part_of(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        failure = download(path)
        process.stdin.close()
    assert (failure.kind, failure.stopped) == ("local", "not_retryable")
    assert download(path)


def test_a_lock_that_comes_too_late_is_not_one_on_the_next_part(path, monkeypatch):
    """As below, and a third has begun with a new part before the first gets its lock."""
    first, second, third = Part(path, "url", None), Part(path, "url", None), Part(path, "url", None)
    second.open()
    second.begin(Piece(0, None, None, None))
    second.write(CONTENT)
    flock = fcntl.flock

    def meanwhile(file, how):
        monkeypatch.setattr(fcntl, "flock", flock)
        second.commit(overwrite=True)
        third.open()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    with pytest.raises(BlockingIOError):
        first.open()
    assert path.read_bytes() == CONTENT
    third.close()


def test_a_lock_that_comes_too_late_does_not_touch_the_finished_file(path, monkeypatch):
    """One process opens the part, another finishes it and lets go, the first gets its lock: on the target."""
    first, second = Part(path, "url", None), Part(path, "url", None)
    second.open()
    second.begin(Piece(0, None, None, None))
    second.write(CONTENT)
    flock = fcntl.flock

    def meanwhile(file, how):
        monkeypatch.setattr(fcntl, "flock", flock)
        second.commit(overwrite=True)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    first.open()
    first.begin(Piece(0, None, None, None))
    first.write(b"other")
    assert path.read_bytes() == CONTENT
    first.close()


# What a file system does.


def refusing(monkeypatch, number, after=0):
    """Have the disk refuse after so many writes."""
    left = [after]

    def write(self, data):
        if left[0] <= 0:
            raise OSError(number, os.strerror(number))
        left[0] -= 1
        return os.write(self.fileno(), data[: len(data) // 2 or 1])

    class Full(file_sink_io):
        pass

    Full.write = write
    monkeypatch.setattr("resilient_client.transfers.part.FileIO", Full)


file_sink_io = __import__("io").FileIO


def test_a_full_disk_is_a_failure_of_this_machine_and_what_fitted_counts(path, monkeypatch):
    with monkeypatch.context() as patched:
        refusing(patched, errno.ENOSPC, after=2)
        failure = download(path)
    assert (failure.kind, failure.stopped, failure.status) == ("local", "not_retryable", 200)
    assert "No space left" in failure.message
    assert part_of(path).read_bytes() == CONTENT[:3750]
    assert download(path).value.resumed == 3750
    assert path.read_bytes() == CONTENT


FULL = """
import resource, sys
from resilient_client import Client, Policy
from resilient_client.transfers import file_sink
file_sink.BUFFER = 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (3500, 3500))
with Client("full", base_url=sys.argv[1], policy=Policy(retry=None)) as client:
    failure = client.download("/f", sys.argv[2])
    print(failure.kind, "|", failure.message)
"""


def test_a_file_that_may_not_grow_is_a_failure_of_this_machine(path, fault_server):
    fault_server.on("/f", steps.file(CONTENT))
    child = [sys.executable, "-c", FULL, fault_server.url, str(path)]
    out = subprocess.run(child, capture_output=True, text=True, check=True, timeout=60).stdout
    assert out.startswith("local | ")
    assert "File too large" in out
    assert part_of(path).read_bytes() == CONTENT[:3500]
    with Client("a", base_url=fault_server.url) as client:
        assert client.download("/f", path).value.resumed == 3500
    assert path.read_bytes() == CONTENT


def test_a_directory_that_may_not_be_written_is_a_failure_of_this_machine(path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("resilient_client.transfers.part._opened", refuse)
    failure = download(path)
    assert (failure.kind, failure.sent) == ("local", False)
    assert "Permission denied" in failure.message
    assert str(part_of(path)) in failure.message


def test_a_name_that_is_too_long_with_its_ending_is_a_failure_of_this_machine(tmp_path):
    failure = download(tmp_path / ("x" * 252))
    assert failure.kind == "local"
    assert "too long" in failure.message


def test_a_link_in_the_parts_place_is_not_followed(path, tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    part_of(path).symlink_to(tmp_path / "precious")
    assert download(path).kind == "local"
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "directory"])
def test_what_is_no_file_in_the_parts_place_is_left_alone(path, make):
    make(part_of(path))
    assert download(path).kind == "local"
    assert here(path) == ["file.bin.part"]


def test_a_target_that_cannot_be_replaced_keeps_the_part_for_later(path):
    def become_a_directory(*_):
        path.mkdir(exist_ok=True)

    failure = download(path, progress=become_a_directory)
    assert failure.kind == "local"
    path.rmdir()
    assert download(path).value.resumed == 5000
    assert path.read_bytes() == CONTENT


def test_a_part_that_somebody_makes_shorter_is_noticed(path):
    world = VirtualWorld()
    world.on("/f", steps.file(CONTENT, cut_after=2000), then=steps.file(CONTENT))
    client = world.client(policy=ONCE)
    client.download("/f", path)
    shorter = lambda done, _: os.truncate(part_of(path), 1000) if done == 2000 else None
    import hashlib

    failure = client.download("/f", path, progress=shorter, digest="sha256:" + hashlib.sha256(CONTENT).hexdigest())
    assert failure.kind in {"local", "decode"}
    assert not path.exists()


# Cancellation and interrupts.


def test_an_interrupt_in_the_middle_leaves_a_part_and_nothing_held(path):
    world = VirtualWorld()
    world.on("/f", steps.file(CONTENT, piece=500, every=2))
    client = world.client(policy=ONCE)

    def interrupt(done, _):
        if done >= 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.download("/f", path, progress=interrupt)
    assert client.state().permits_in_use == 0
    assert part_of(path).read_bytes() == CONTENT[:2000]
    assert client.download("/f", path).value.resumed == 2000


def test_a_cancelled_flow_leaves_a_part_with_all_that_came(path):
    world = VirtualWorld()
    world.on("/f", steps.file(CONTENT, piece=500, every=0.4))
    client = world.async_client(policy=ONCE)
    flow = world.spawn(client.download("/f", path))
    world.advance(1.3)
    flow.cancel()
    world.advance(0.1)
    assert flow.done
    assert client.state().permits_in_use == 0
    assert part_of(path).read_bytes() == CONTENT[:1500], "also what was not written yet"
    assert world.run(client.download("/f", path)).value.resumed == 1500
    assert path.read_bytes() == CONTENT


def test_cancelled_at_any_moment_it_goes_on_and_the_file_is_right(tmp_path, monkeypatch):
    monkeypatch.setattr(file_sink, "BUFFER", 20_000)
    content = random.Random(7).randbytes(400_000)
    chosen = random.Random(8)

    async def scene(url):
        complaints = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with AsyncClient("a", base_url=url, policy=ONCE) as client:
            for number in range(25):
                path, done = tmp_path / f"{number}.bin", None
                while done is None:
                    task = asyncio.ensure_future(client.download("/f", path))
                    asyncio.get_running_loop().call_later(chosen.random() * 0.06, task.cancel)
                    with contextlib.suppress(asyncio.CancelledError):
                        done = await task
                    assert client.state().permits_in_use == 0
                assert done, done
                assert path.read_bytes() == content
        gc.collect()
        assert complaints == []

    with FaultServer(strict=False) as server:
        server.on("/f", steps.file(content, piece=20_000, every=0.001))
        asyncio.run(scene(server.url))
    assert {entry.suffix for entry in tmp_path.iterdir()} == {".bin"}


# The backend.


def test_a_cancelled_task_leaves_when_its_write_is_over_and_not_before():
    go_on, begun, over = threading.Event(), threading.Event(), []

    def write():
        begun.set()
        assert go_on.wait(30)
        over.append(True)
        raise OSError("that nobody hears of")

    async def scene():
        task = asyncio.ensure_future(AsyncioBackend().offload(write))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert over == [True]
        gc.collect()

    asyncio.run(scene())


def test_the_event_loop_goes_on_while_a_file_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(file_sink, "BUFFER", 500)
    on_loop, threads = threading.get_ident(), set()
    write = Part.write

    def noted(self, data):
        threads.add(threading.get_ident())
        write(self, data)

    monkeypatch.setattr(Part, "write", noted)

    async def scene(url):
        async with AsyncClient("a", base_url=url) as client:
            assert await client.download("/f", tmp_path / "file.bin")

    with FaultServer() as server:
        server.on("/f", steps.file(CONTENT))
        asyncio.run(scene(server.url))
    written = threads - {on_loop}
    assert written


def test_over_http2(path):
    async def scene(server):
        options = {"base_url": server.url, "verify": server.client_context(), "http2": True}
        policy = Policy(retry=Retry(max_attempts=3, wait_initial=0.001))
        async with AsyncClient("h2", policy=policy, **options) as client:
            return await client.download("/f", path)

    with FaultServer(http2=True) as server:
        server.on("/f", steps.file(CONTENT, cut_after=2000), then=steps.file(CONTENT))
        result = asyncio.run(scene(server))
    assert result.value.resumed in {0, 2000}
    assert path.read_bytes() == CONTENT
