"""npm's lock file as hosts share it: what is in it, and which texts of other hosts are read."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t3safe.adapters.builds import lockfile
from t3safe.adapters.builds.lockfile import UnsharedError, read_shared, shared_tree
from t3safe.domain.lockfile import LOCK_FILE_MAX
from t3safe.t3 import package

BUILD = "0.0.29-nightly.20260721.864"
HASH = "sha512-" + "A" * 86 + "=="
OTHER = "sha512-" + "B" * 86 + "=="
T3 = package.FOLDER


def npms() -> dict[str, Any]:
    """Make a lock file as npm writes it."""
    address = "http://registry/t3/-/t3.tgz"
    return {
        "name": "prefix",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"dependencies": {"t3": BUILD}},
            T3: {
                "version": BUILD,
                "resolved": address,
                "integrity": HASH,
                "license": "MIT",
                "bin": {"t3": "x.js"},
                "dependencies": {"a": "^1.0.0", "alias": "npm:b@2"},
                "optionalDependencies": {"@scope/native-linux": BUILD},
            },
            "node_modules/a": {"version": "1.2.0", "integrity": HASH, "hasInstallScript": True},
            "node_modules/@scope/native-linux": {
                "version": BUILD,
                "integrity": HASH,
                "optional": True,
                "os": ["linux"],
            },
            "node_modules/alias": {"name": "b", "version": "2.0.0", "integrity": HASH},
            "node_modules/alias/node_modules/a": {"version": "0.1.0", "integrity": HASH},
        },
    }


TEXT = shared_tree(npms(), BUILD).text


def test_a_shared_text_has_places_versions_and_integrity_only() -> None:
    """It has the optional packages of other platforms, and no address."""
    packages = json.loads(TEXT)["packages"]
    assert packages[""] == {"dependencies": {"t3": BUILD}}
    assert packages[T3] == {"version": BUILD, "integrity": HASH}
    assert packages["node_modules/alias"] == {"name": "b", "version": "2.0.0", "integrity": HASH}
    assert set(packages) == set(npms()["packages"])
    assert read_shared(TEXT, BUILD).text == TEXT


def test_the_same_bytes_have_the_same_text() -> None:
    """Whatever the registry's address, the order and what npm's version notes beside."""
    lock = npms()
    lock["lockfileVersion"] = 2
    lock["packages"] = dict(reversed(lock["packages"].items()))
    for body in lock["packages"].values():
        body.pop("resolved", None)
        body.pop("license", None)
    assert shared_tree(lock, BUILD).text == TEXT


def test_npm_is_given_places_and_versions() -> None:
    """No integrity and no dependency reaches npm from another host."""
    assert read_shared(TEXT, BUILD).asking() == {
        "lockfileVersion": 1,
        "requires": True,
        "dependencies": {
            "@scope/native-linux": {"version": BUILD},
            "a": {"version": "1.2.0"},
            "alias": {"version": "npm:b@2.0.0", "dependencies": {"a": {"version": "0.1.0"}}},
            "t3": {"version": BUILD},
        },
    }


def test_the_first_package_that_differs_is_named() -> None:
    """With what each side has."""
    lock = npms()
    theirs = shared_tree(lock, BUILD)
    assert theirs.difference(theirs) == ""
    lock["packages"]["node_modules/alias"]["integrity"] = OTHER
    why = theirs.difference(shared_tree(lock, BUILD))
    assert why == f"alias: it has b@2.0.0 {HASH}, npm here makes it b@2.0.0 {OTHER}"
    del lock["packages"]["node_modules/a"], lock["packages"][T3]["dependencies"]
    assert theirs.difference(shared_tree(lock, BUILD)).endswith("npm here makes it none")


UNSHARED: list[tuple[str, tuple[str, ...], object, str]] = [
    ("another root dependency", ("", "dependencies", "evil"), "1.0.0", "t3: .* the only root"),
    ("another t3", ("", "dependencies", "t3"), "0.0.1", "t3: .* the only root"),
    ("t3 of another version", (T3, "version"), "0.0.1", f"t3: {T3} is not {BUILD}"),
    ("t3 of another name", (T3, "name"), "evil", f"t3: {T3} is not {BUILD}"),
    ("a link", ("node_modules/a", "link"), True, "a: it is a link"),
    ("a bundled package", ("node_modules/a", "inBundle"), True, "a: .*inBundle"),
    ("a bundle", ("node_modules/a", "bundleDependencies"), ["x"], "a: .*bundleDependencies"),
    ("no integrity", ("node_modules/a", "integrity"), None, "a: it has no integrity"),
    ("an integrity of md5", ("node_modules/a", "integrity"), "md5-AAAA", "a: it has no integrity"),
    ("an address", ("node_modules/a", "version"), "http://x/y.tgz", "a: it has no version"),
    ("a folder", ("node_modules/a", "version"), "file:../..", "a: it has no version"),
    (
        "a repository",
        ("node_modules/a", "version"),
        "git+ssh://git@x/y.git",
        "a: it has no version",
    ),
    ("a range", ("node_modules/a", "version"), "^1.0.0", "a: it has no version"),
    ("a name that is a path", ("node_modules/a", "name"), "../x", "a: it has no name"),
    ("a name that is a number", ("node_modules/a", "name"), 1, "a: it has no name"),
    ("a dependency on git", (T3, "dependencies", "a"), "git+https://x/y", "t3: it depends on"),
    ("a dependency on a fork", (T3, "dependencies", "a"), "somebody/a", "t3: it depends on"),
    ("a dependency on a number", (T3, "optionalDependencies", "a"), 1, "t3: it depends on"),
    ("dependencies that are a list", (T3, "dependencies"), [], "t3: it depends on"),
    ("an optional package left out", (T3, "optionalDependencies", "c"), "1.0.0", "c: .* left out"),
    ("a package left out", (T3, "dependencies", "c"), "1.0.0", "c: .* left out"),
    ("another package", ("node_modules/a", "name"), "evil", "a: evil lies in its place, not a"),
    ("another alias", (T3, "dependencies", "alias"), "npm:@c/d@2", "alias: b lies .* not @c/d"),
    (
        "an alias that none asks for",
        (T3, "dependencies", "alias"),
        "2",
        "alias: b lies .* not alias",
    ),
    ("another peer", (T3, "peerDependencies"), {"alias": "2"}, "alias: b lies .* not alias"),
    ("a path upward", ("node_modules/../..",), {}, "no package lies there"),
    ("a path upward below", ("node_modules/a/../../x",), {}, "no package lies there"),
    ("an absolute path", ("/etc/passwd",), {}, "no package lies there"),
    ("a hidden folder", ("node_modules/.bin",), {}, "no package lies there"),
    ("a folder of folders", ("node_modules/node_modules",), {}, "no package lies there"),
    ("a workspace", ("packages/x",), {}, "no package lies there"),
    ("a long path", ("node_modules/" + "a" * 400,), {}, "no package lies there"),
    ("a line break", ("node_modules/a\n",), {}, "no package lies there"),
    ("no package", ("node_modules/c",), "1.0.0", "c: it is not described"),
    (
        "a package in none",
        ("node_modules/c/node_modules/a",),
        {"version": "1.0.0", "integrity": HASH},
        "a: it lies in a package that is not there",
    ),
]


@pytest.mark.parametrize(
    ("keys", "value", "words"), [case[1:] for case in UNSHARED], ids=[case[0] for case in UNSHARED]
)
def test_a_tree_that_cannot_be_shared_names_the_package(
    keys: tuple[str, ...], value: object, words: str
) -> None:
    """Of npm's own lock file and of another host's."""
    lock = npms()
    at = lock["packages"]
    for key in keys[:-1]:
        at = at.setdefault(key, {})
    at[keys[-1]] = value
    with pytest.raises(UnsharedError, match=words):
        shared_tree(lock, BUILD)
    with pytest.raises(UnsharedError, match=words):
        read_shared(json.dumps(lock), BUILD)


def test_a_peer_that_is_not_there_is_nothing_wrong() -> None:
    """It may be optional; npm says it if it is not."""
    lock = npms()
    lock["packages"][T3]["peerDependencies"] = {"c": "1.0.0", "a": "1"}
    assert shared_tree(lock, BUILD).text == TEXT


@pytest.mark.parametrize("lock", [None, [], {}, {"packages": []}, {"packages": {"": []}}])
def test_what_is_not_a_lock_file_cannot_be_shared(lock: object) -> None:
    """Whatever JSON it is."""
    with pytest.raises(UnsharedError):
        shared_tree(lock, BUILD)


@pytest.mark.parametrize("version", [None, 1, 4, "3", [3]])
def test_a_lock_file_of_an_unknown_version_cannot_be_shared(version: object) -> None:
    """Its packages may mean something else."""
    with pytest.raises(UnsharedError, match="unknown version"):
        shared_tree({**npms(), "lockfileVersion": version}, BUILD)


def test_the_number_of_packages_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry is asked about each."""
    monkeypatch.setattr(lockfile, "PACKAGES_MAX", 6)
    shared_tree(npms(), BUILD)
    monkeypatch.setattr(lockfile, "PACKAGES_MAX", 5)
    with pytest.raises(UnsharedError, match="more than 5 packages"):
        shared_tree(npms(), BUILD)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"lockfileVersion":' + "9" * 5000 + "}", "not JSON"),
        ("[]", "no list of packages"),
        (" " * LOCK_FILE_MAX + TEXT, "more than"),
        (f" {TEXT}", "more than places"),
        (json.dumps(npms()), "more than places"),
        (
            TEXT.replace('{"integrity"', '{"hasInstallScript":true,"integrity"', 1),
            "more than places",
        ),
        (TEXT.replace('{"integrity"', '{"resolved":"http://x","integrity"', 1), "more than places"),
        (TEXT.replace('"version"', '"version":"1.0.0","version"', 1), "more than places"),
        (TEXT.replace('"lockfileVersion":3', '"lockfileVersion":2'), "more than places"),
        (TEXT.replace('"lockfileVersion":3', '"lockfileVersion":3.0'), "more than places"),
    ],
)
def test_a_text_that_this_module_would_not_write_is_not_read(text: str, words: str) -> None:
    """Not JSON, nested without end, huge, or with one field more."""
    with pytest.raises(UnsharedError, match=words):
        read_shared(text, BUILD)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(place=st.sampled_from(["", T3, "node_modules/a", "node_modules/c", "..", "packages"]),
       key=st.sampled_from(["", "version", "integrity", "name", "dependencies", "link", "resolved",
                            "optionalDependencies", "bundleDependencies", "inBundle"]),
       value=JSON)  # fmt: skip
def test_whatever_is_put_into_a_lock_it_is_refused_or_adds_nothing(
    place: str, key: str, value: object
) -> None:
    """A text that is read is one that this module would write."""
    lock = deepcopy(json.loads(TEXT))
    if place == "packages":
        lock[key] = value
    elif not key:
        lock["packages"][place] = value
    else:
        lock["packages"].setdefault(place, {})[key] = value
    text = json.dumps(lock, sort_keys=True, separators=(",", ":"))
    try:
        tree = read_shared(text, BUILD)
    except UnsharedError:
        return
    assert tree.text == text
    assert ".." not in str(tree.asking())


@given(JSON)
def test_no_json_does_more_than_be_refused(value: object) -> None:
    """No other error leaves the reader."""
    with pytest.raises(UnsharedError):
        read_shared(json.dumps(value), BUILD)
