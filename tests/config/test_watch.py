"""A file that is watched: the ways in which it is replaced in real life. The file system itself is the subject."""

import os
import threading

import pytest

from resilient_client import ConfigError, load_policies
from resilient_client.config import watching
from resilient_client.events import ConfigReloadFailed


class Heard:
    """What a watch told, to be waited for."""

    def __init__(self):
        self._news = threading.Condition()
        self._events = []

    def __call__(self, event):
        with self._news:
            self._events.append(event)
            self._news.notify_all()

    def wait_for(self, true):
        with self._news:
            assert self._news.wait_for(true, timeout=30)

    def failures(self):
        return [event for event in self._events if isinstance(event, ConfigReloadFailed)]


def text(redirects):
    return f"[clients.a]\nredirects = {redirects}\n"


@pytest.fixture
def heard():
    return Heard()


def watched(path, heard):
    return load_policies(path, environment={}, listeners=[heard])


def follows(policies, heard, redirects):
    heard.wait_for(lambda: policies.policy("a").redirects == redirects)


def test_a_file_that_is_written_in_place_is_read_again(tmp_path, heard):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    with policies.watch():
        for redirects in (2, 3):
            path.write_text(text(redirects))
            follows(policies, heard, redirects)


def test_a_file_that_an_editor_renames_over_is_read_again(tmp_path, heard):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    with policies.watch():
        for redirects in (2, 3):
            new = tmp_path / ".services.toml.swp"
            new.write_text(text(redirects))
            new.rename(path)
            follows(policies, heard, redirects)


def test_a_file_that_is_moved_away_first_is_read_again(tmp_path, heard):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    with policies.watch():
        path.rename(tmp_path / "services.toml~")
        path.write_text(text(2))
        follows(policies, heard, 2)
    assert heard.failures() == []


def test_the_links_of_a_kubernetes_volume_are_followed_when_they_are_swapped(tmp_path, heard):
    def publish(name, redirects):
        (tmp_path / name).mkdir()
        (tmp_path / name / "services.toml").write_text(text(redirects))
        (tmp_path / "..data_tmp").symlink_to(name)
        os.replace(tmp_path / "..data_tmp", tmp_path / "..data")

    publish("..2026_01", 1)
    (tmp_path / "services.toml").symlink_to("..data/services.toml")
    policies = watched(tmp_path / "services.toml", heard)
    with policies.watch():
        for redirects in (2, 3, 4):
            publish(f"..2026_0{redirects}", redirects)
            follows(policies, heard, redirects)


def test_a_wrong_file_is_told_once_and_the_next_right_one_holds(tmp_path, heard):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    with policies.watch():
        path.write_text(text(99))
        heard.wait_for(heard.failures)
        assert policies.policy("a").redirects == 1
        path.write_text(text(2))
        follows(policies, heard, 2)
    (failure,) = heard.failures()
    assert failure.error.problems[0].key == "clients.a.redirects"


def test_a_file_that_stays_away_is_told_and_its_return_is_seen(tmp_path, heard):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    with policies.watch():
        path.unlink()
        heard.wait_for(heard.failures)
        path.write_text(text(2))
        follows(policies, heard, 2)


def test_a_file_system_that_tells_nothing_is_looked_at(tmp_path, heard, monkeypatch):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    blind = tmp_path / "blind"
    blind.mkdir()
    monkeypatch.setattr(watching.Watch, "_steps", lambda watch: {blind / "services.toml"})
    with policies.watch():
        path.write_text(text(2))
        follows(policies, heard, 2)


def test_a_watch_that_cannot_have_events_looks_by_the_clock(tmp_path, heard, monkeypatch, caplog):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)

    def refuse(*_, **__):
        raise OSError("no more watches")

    monkeypatch.setattr("watchfiles.watch", refuse)
    with watching.Watch(policies, path, look_every=0.01):
        path.write_text(text(2))
        follows(policies, heard, 2)
    assert "watching" in caplog.text


def test_a_watch_stops_when_it_is_told_to_and_may_be_told_twice(tmp_path, heard):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    before = threading.active_count()
    watch = policies.watch()
    assert threading.active_count() == before + 1
    watch.stop()
    watch.stop()
    assert threading.active_count() == before
    path.write_text(text(2))
    assert policies.policy("a").redirects == 1


def test_a_dict_has_no_file_to_watch():
    with pytest.raises(ConfigError, match="there is no file to watch"):
        load_policies({"clients": {"a": {}}}, environment={}).watch()


def test_what_else_happens_in_the_directory_is_nobodys_business(tmp_path, heard, caplog):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    caplog.set_level("INFO")
    with policies.watch():
        for number in range(20):
            (tmp_path / "app.log").write_text(f"line {number}")
        path.write_text(text(2))
        follows(policies, heard, 2)
    assert len([record for record in caplog.records if record.name.startswith("watchfiles")]) <= 2


def test_a_change_before_the_watch_stood_is_seen(tmp_path, heard):
    path = tmp_path / "services.toml"
    path.write_text(text(1))
    policies = watched(path, heard)
    path.write_text(text(2))
    with policies.watch():
        follows(policies, heard, 2)
