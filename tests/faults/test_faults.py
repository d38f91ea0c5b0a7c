"""Every row on every way: what a call comes to, what it leaves behind, and whether the client is as good as before."""

import pytest
from faults.child import apart, met, started
from faults.matrix import rows
from faults.ways import IN_MEMORY, OTHER_WIRES, WIRES

MET = [
    pytest.param(fault, way, id=f"{fault.name}-{way.name}".replace(", ", "-").replace(" ", "-"))
    for fault, way in sorted(
        ((fault, way) for fault in rows() for way in WIRES + OTHER_WIRES + IN_MEMORY if way.meets(fault)),
        key=lambda met_on: apart(*met_on),
    )
]


@pytest.fixture(scope="module", autouse=True)
def side_by_side(request):
    """Start all other processes first: they mostly wait, and may do so while the rows of this one are played."""
    chosen = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    met_on = [(params["fault"], params["way"]) for params in chosen if {"fault", "way"} <= params.keys()]
    children = [started(name) for name in sorted({way.name for fault, way in met_on if apart(fault, way)})]
    yield
    for child in children:
        child.end()


@pytest.mark.parametrize(("fault", "way"), MET)
def test_fault(fault, way):
    _, problems = met(fault, way)
    assert not problems, "\n".join([fault.what, *problems])


@pytest.mark.parametrize("way", OTHER_WIRES, ids=lambda way: way.name)
def test_what_a_wire_does_otherwise_is_said_of_rows_that_there_are(way):
    names = {fault.name for fault in rows()}
    assert set(way.cannot) <= names
    assert set(way.instead) <= names
