"""The page of results says what the committed measurements say."""

from bench import page
from bench.__main__ import PARTS


def test_the_page_is_made_of_the_committed_results():
    committed = page.PAGE.read_text(encoding="utf-8")
    assert committed == page.page(page.results()), f"docs/performance-results.md is out of date; run: {page.COMMAND}"


def test_every_part_that_can_be_measured_has_its_section_and_its_results():
    assert page.SECTIONS.keys() == PARTS.keys() == page.results().keys()


def test_every_figure_of_the_page_is_there():
    figures = [page.path_of(figure) for figures in page.FIGURES.values() for figure in figures]
    assert len(figures) == 4
    assert all((page.DOCS / figure).is_file() for figure in figures)
