"""How runs become a table: ratios within a round, and nothing made up for who did not get through."""

from bench import compare
from bench.contenders import CONTENDERS


def run(**cpu):
    return {"sync1": {name: {"cpu_us": us, "per_second": 1e6 / us} for name, us in cpu.items()}}


def cases(*runs):
    return {"cases": {"sync1": compare._together("sync1", list(runs), list(CONTENDERS.values()))}}


def rows(*runs):
    (table,) = compare.tables(cases(*runs))
    return {row[0]: row[1:] for row in table.rows}


def test_a_ratio_is_taken_within_a_round_and_the_median_of_those_is_told():
    slow_machine, quiet_machine = run(ours=400, httpx=800, floor=100), run(ours=100, httpx=300, floor=25)
    found = rows(slow_machine, slow_machine, quiet_machine)
    assert found["**resilient-client**"] == ("400", "2,500", "0.50", "0.33 - 0.50", "4.0")


def test_what_was_measured_is_kept_by_round():
    assert cases(run(ours=400), run(ours=100))["cases"]["sync1"]["ours"]["cpu_us"] == [400, 100]


def test_who_did_not_finish_in_one_round_did_not_finish_and_is_not_tried_again():
    stuck = {"sync1": {"httpx": {"unfinished": "593 of 1000 callers were answered"}}}
    found = cases(run(httpx=300), stuck)
    assert found["cases"]["sync1"]["httpx"] == {"unfinished": "593 of 1000 callers were answered"}
    assert rows(run(httpx=300, ours=200), stuck)["httpx"][0] == "did not finish"
    assert compare._given_up([run(httpx=300, ours=200), stuck]) == {("sync1", "httpx")}


def test_who_could_not_be_measured_is_not_in_the_table_but_in_the_notes():
    cases = {"sync1": {"ours": {"cpu_us": [200.0], "per_second": [5000.0]}, "niquests": {"absent": "no such package"}}}
    (table,) = compare.tables({"cases": cases})
    assert [row[:2] for row in table.rows] == [("**resilient-client**", "200")]
    assert compare.notes({"cases": cases}) == ["niquests was not measured: 1 thread (no such package)"]


def test_a_table_shows_the_cheapest_first_and_without_httpx_no_ratio_to_it():
    (table,) = compare.tables(cases(run(ours=200, floor=25)))
    assert table.rows == [
        ("sockets by hand", "25", "40,000", "", "", "1.0"),
        ("**resilient-client**", "200", "5,000", "", "", "8.0"),
    ]
