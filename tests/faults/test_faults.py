"""Every row on every way: what a call comes to, what it leaves behind, and whether the client is as good as before."""

import pytest
from faults.matrix import AREAS
from faults.run import observe, probe
from faults.ways import IN_MEMORY, WIRES

MET = [
    pytest.param(fault, way, id=f"{fault.name}-{way.name}".replace(", ", "-").replace(" ", "-"))
    for area in AREAS
    for fault in area.rows
    for way in WIRES + IN_MEMORY
    if way.meets(fault) and fault.name not in way.cannot
]


@pytest.mark.parametrize(("fault", "way"), MET)
def test_fault(fault, way):
    found = []
    for method in fault.compared:
        _, problems = observe(fault, way, method)
        found += [f"{method}: {problem}" for problem in problems]
    if fault.probed and way.virtual == fault.in_memory:
        found += probe(fault, way)
    assert not found, "\n".join([fault.what, *found])
