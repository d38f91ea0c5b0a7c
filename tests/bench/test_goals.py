"""The goals are judged by what was measured, and what was not measured is neither met nor missed."""

from bench import goals


def judged(**results):
    return {(case, goal): told for case, goal, *told in goals.table(results, whole=False).rows}


def rounds(*cpu, per_second=(1.0,)):
    return {"cpu_us": list(cpu), "per_second": list(per_second)}


def compared(case, **contenders):
    return judged(compare={"cases": {case: contenders}})


def test_a_goal_is_met_or_not_by_the_median_of_ratios_within_rounds():
    goal = ("default wire, sync, 1 thread", "<= 0.6 x CPU of bare `httpx.Client`")
    assert compared("sync1", ours=rounds(50, 500, 59), httpx=rounds(100, 100, 100))[goal] == ["0.59", "yes"]
    assert compared("sync1", ours=rounds(50, 70, 61), httpx=rounds(100, 100, 100))[goal] == ["0.61", "**no**"]


def test_more_requests_per_second_are_better():
    goal = ("default wire, async, 100 at once", ">= 30 x requests per second of bare `httpx.AsyncClient`")
    slow, fast = rounds(1, per_second=[29]), rounds(1, per_second=[31])
    httpx = rounds(1, per_second=[1])
    assert compared("async100", ours=slow, httpx=httpx)[goal] == ["29.00", "**no**"]
    assert compared("async100", ours=fast, httpx=httpx)[goal] == ["31.00", "yes"]


def test_to_be_ahead_of_several_is_to_be_ahead_of_the_cheapest():
    goal = ("wire pyreqwest, sync, 1 thread", "<= 1 x CPU of the cheapest of urllib3, requests, niquests")
    found = compared("sync1", **{"ours-pyreqwest": rounds(100)}, urllib3=rounds(80), requests=rounds(400))
    assert found[goal] == ["1.25", "**no**"]


def test_who_did_not_finish_is_no_measure():
    assert compared("sync1", ours=rounds(50), httpx={"unfinished": "nobody was answered"}) == {}


def test_memory_is_compared_with_as_many_calls_as_httpx_can_take():
    ours = {"1000": {"kib": [10.0]}, "10000": {"kib": [12.0]}}
    httpx = {"1000": {"kib": [20.0]}, "10000": {"unfinished": "3600 of 10000 calls are connected"}}
    told = judged(memory={"in_flight": {"ours": ours, "httpx": httpx}})
    assert [one[0] for one in told.values()] == ["0.50", "0.60"]


def test_a_curve_is_judged_against_ten():
    points = {"1": {"cpu_us": [500]}, "10": {"cpu_us": [100, 200]}, "10000": {"cpu_us": [130, 260]}}
    (told,) = judged(scale={"curves": {"in_flight": points}}).values()
    assert told == ["1.30", "yes"]


def test_an_import_is_judged_without_the_interpreter_that_does_it():
    told = judged(imports={"ms": {"nothing": [10], "peers": [110], "ours": [130]}})
    assert list(told.values()) == [["1.20", "**no**"]]


def test_all_goals_are_told_even_when_nothing_was_measured():
    table = goals.table({})
    assert len(table.rows) == len(goals.GOALS)
    assert {row[2:] for row in table.rows} == {("", "not measured")}
