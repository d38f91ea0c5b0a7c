"""A machine that does not allow so many files or ports is told what to change; the limit is raised where it may be."""

import resource

import pytest

from bench import limits, scale


@pytest.fixture
def few_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_is_lacking_is_said_with_what_to_do(few_files):
    assert limits.lacking(500) == ""
    assert limits.lacking(10_000) == (
        "needs 10,200 open files, and 1,000 are allowed: raise the limit with `ulimit -Hn 10200`"
    )


def test_the_limit_is_raised_as_far_as_the_system_allows(few_files):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limits.raise_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(hard, limits.MOST), hard)


def test_ports_run_out_for_one_address_but_not_for_many(monkeypatch, tmp_path):
    ports = tmp_path / "ports"
    ports.write_text("60000\t60099\n")
    monkeypatch.setattr(limits, "PORTS", ports)
    assert limits.lacking(101).startswith("needs 101 ports to one address, and 100 are there: `sysctl ")
    assert limits.lacking(101, origins=101) == ""


def test_a_point_that_cannot_be_measured_is_not_tried_again_and_its_reason_told():
    points = {"1": {"cpu_us": []}}
    scale._measure_point(points, "no such curve", 1, 0.01, "http://127.0.0.1:1")
    assert points == {"1": {"unfinished": "KeyError: 'no such curve'"}}
    scale._measure_point(points, "clients", 1, 0.01, "http://127.0.0.1:1")
    assert scale.notes({"curves": {"clients": points}}) == [
        "Clients in one process, 1: did not finish (KeyError: 'no such curve')"
    ]


def test_a_curve_is_a_row_and_tells_how_it_grew():
    points = {"10": {"cpu_us": [100, 110]}, "100": {"cpu_us": [150, 165]}, "1000": {"unfinished": "no more files"}}
    (table,) = scale.tables({"curves": {"clients": points, "circuits": {"10": {"cpu_us": [10]}}}})
    assert table.header == ("CPU us per call", "10", "100", "1,000", "last / 10")
    assert table.rows == [
        ("Clients in one process", "105", "158", "did not finish", ""),
        ("Circuits of one client, no wire", "10", "", "", "1.00"),
    ]
