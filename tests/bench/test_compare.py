"""How runs become a table: ratios within a round, and nothing made up for who did not get through."""

from bench import compare
from bench.contenders import CONTENDERS


def run(**cpu):
    return {"sync1": {name: {"cpu_us": us, "per_second": 1e6 / us} for name, us in cpu.items()}}


def summary(name, *runs):
    return compare._summaries("sync1", list(runs), [CONTENDERS[name]])[name]


def test_a_ratio_is_taken_within_a_round_and_the_median_of_those_is_told():
    slow_machine, quiet_machine = run(ours=400, httpx=800, floor=100), run(ours=100, httpx=300, floor=25)
    told = summary("ours", slow_machine, slow_machine, quiet_machine)
    assert told["to_httpx"] == 0.5
    assert told["to_httpx_from_to"] == [1 / 3, 0.5]
    assert told["to_floor"] == 4


def test_who_did_not_finish_in_one_round_did_not_finish():
    stuck = {"sync1": {"httpx": {"unfinished": "593 of 1000 callers were answered"}}}
    assert summary("httpx", run(httpx=300), stuck) == {"unfinished": "593 of 1000 callers were answered"}


def test_who_could_not_be_measured_is_not_in_the_table_but_in_the_notes():
    cases = {"sync1": {"ours": {"cpu_us": 200.0, "per_second": 5000.0}, "niquests": {"absent": "no such package"}}}
    (table,) = compare.tables({"cases": cases})
    assert [row[:2] for row in table.rows] == [("**resilient-client**", "200")]
    assert compare.notes({"cases": cases}) == ["niquests was not measured: 1 thread (no such package)"]


def test_a_table_shows_the_cheapest_first_and_without_httpx_no_ratio_to_it():
    cases = {"sync1": compare._summaries("sync1", [run(ours=200, floor=25)], list(CONTENDERS.values()))}
    (table,) = compare.tables({"cases": cases})
    assert table.rows == [
        ("sockets by hand", "25", "40,000", "", "", "1.0"),
        ("**resilient-client**", "200", "5,000", "", "", "8.0"),
    ]
