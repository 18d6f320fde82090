from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from packaging.version import Version as ReleasePart

from t3safe.domain.versions import LENGTH_MAX, Channel, InvalidVersion, Version

SORTED = [
    "0.0.0-0",
    "0.0.0",
    "0.0.1",
    "0.0.2",
    "0.0.10",
    "0.0.24",
    "0.0.25-nightly.20260602.440",
    "0.0.25-nightly.20260603.445",
    "0.0.25-nightly.20260608.497",
    "0.0.25",
    "0.0.26",
    "0.0.28-1",
    "0.0.28-2",
    "0.0.28-10",
    "0.0.28-10.0",
    "0.0.28--",
    "0.0.28-0a",
    "0.0.28-A",
    "0.0.28-a",
    "0.0.28-a.b",
    "0.0.28-a-b",
    "0.0.28-alpha",
    "0.0.28-alpha.1",
    "0.0.28-alpha.2",
    "0.0.28-alpha.10",
    "0.0.28-alpha.10.0",
    "0.0.28-alpha.10.x",
    "0.0.28-alpha.beta",
    "0.0.28-beta.3",
    "0.0.28-nightly",
    "0.0.28-nightly.20260615.99",
    "0.0.28-nightly.20260615.567",
    "0.0.28-nightly.20260615.571",
    "0.0.28-nightly.20260615.1000",
    "0.0.28-nightly.20260616.2",
    "0.0.28-nightly.20260629.685",
    "0.0.28-nightly.20260629.685.1",
    "0.0.28-nightly.20260629x.1",
    "0.0.28-rc.1",
    "0.0.28",
    "0.0.29-nightly.20260721.864",
    "0.0.29",
    "0.1.0-alpha.1",
    "0.1.0",
    "0.2.0",
    "0.10.0",
    "1.0.0-nightly.20260101.1",
    "1.0.0",
    "2.0.0",
    "10.0.0",
    "99999999999999999999.0.0",
]
"""Every pair of neighbours decides one question of order; the list is the reference."""


def test_the_list_of_versions_is_sorted() -> None:
    """Sorting gives the reference list back from its reverse."""
    versions = [Version.parse(text) for text in reversed(SORTED)]
    assert [version.text for version in sorted(versions)] == SORTED


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(SORTED)))
def test_neighbours_compare_by_every_operator(lower: str, higher: str) -> None:
    """Of two neighbours in the list the first is lower by each of the six operators."""
    low, high = Version.parse(lower), Version.parse(higher)
    assert low < high
    assert low <= high
    assert low != high
    assert high > low
    assert high >= low
    assert not high < low
    assert not high <= low
    assert not low > high
    assert not low >= high


def test_equal_by_text_and_usable_as_a_key() -> None:
    """Two versions of one text are one key, equal and neither above the other."""
    first, second = Version.parse("0.0.28-alpha.1"), Version.parse("0.0.28-alpha.1")
    assert first == second
    assert len({first, second}) == 1
    assert first <= second
    assert first >= second
    assert not first < second


def test_equality_and_order_tell_apart_what_packaging_calls_one() -> None:
    """`packaging` reads `-alpha.1` and `-a.1` as one release; here they are two, in order."""
    assert ReleasePart("0.0.28-alpha.1") == ReleasePart("0.0.28-a.1")
    assert Version.parse("0.0.28-a.1") < Version.parse("0.0.28-alpha.1")


def test_order_with_another_type_is_an_error() -> None:
    """A version is never compared with a text by accident."""
    with pytest.raises(TypeError):
        _ = Version.parse("0.0.28") < "0.0.29"
    text: object = "0.0.28"
    assert Version.parse("0.0.28") != text


def test_shows_the_text_and_keeps_the_order_key_to_itself() -> None:
    """A version is shown as npm prints it, also inside the repr of a journaled value."""
    version = Version.parse("0.0.28-nightly.20260629.685")
    assert str(version) == "0.0.28-nightly.20260629.685"
    assert repr(version) == "Version(text='0.0.28-nightly.20260629.685')"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1.2.3",
        "=1.2.3",
        "1",
        "1.2",
        "1.2.",
        "1.2.3.4",
        "01.2.3",
        "1.02.3",
        "1.2.03",
        "-1.2.3",
        "1.2.3-",
        "1.2.3-.",
        "1.2.3-alpha.",
        "1.2.3-.alpha",
        "1.2.3-alpha..1",
        "1.2.3-01",
        "1.2.3-alpha.01",
        "1.2.3-nightly.20260615.007",
        " 1.2.3",
        "1.2.3 ",
        "1.2.3\n",
        "1.2.3-al pha",
        "1.2.3-alpha_1",
        "1.2.3-alpha/../..",
        "../..",
        "..",
        ".",
        "/etc/passwd",
        "1.2.3/..",
        "nightly",
        "--help",
        "1.2.3\x00",
        "\u0661.\u0662.\u0663",
        "1.2.3-nightly.\uff12\uff10\uff12\uff160615.567",
        "1.2.3-\xe4lpha",
    ],
)
def test_a_text_that_is_no_version_is_refused_by_name(text: str) -> None:
    """The message repeats the text and shows what a version looks like."""
    with pytest.raises(InvalidVersion) as refusal:
        Version.parse(text)
    expected = f"{text!r} is not a SemVer 2.0.0 version such as 0.0.28-nightly.20260615.567"
    assert str(refusal.value) == expected


@pytest.mark.parametrize("text", ["1.2.3+build", "1.2.3-alpha.1+5", "1.2.3+", "+"])
def test_build_metadata_is_refused_with_what_to_name(text: str) -> None:
    """Since npm drops build metadata, a text with it would name another release."""
    with pytest.raises(InvalidVersion, match="build metadata, which npm drops; name the plain"):
        Version.parse(text)


def test_length_is_limited_as_npm_limits_it() -> None:
    """256 characters are read; one more is refused and the message tells both numbers."""
    assert LENGTH_MAX == 256
    longest = "1.2.3-" + "a" * 250
    assert Version.parse(longest).text == longest
    with pytest.raises(InvalidVersion, match="at most 256 characters long, this one has 257"):
        Version.parse(longest + "a")
    with pytest.raises(InvalidVersion, match="this one has 300"):
        Version.parse("1" * 300)


def test_an_invalid_version_is_a_value_error() -> None:
    """Whoever reads settings may catch it as the ValueError that it is."""
    assert issubclass(InvalidVersion, ValueError)


@pytest.mark.parametrize(
    ("text", "channel", "day"),
    [
        ("0.0.28", Channel.LATEST, None),
        ("0.0.28-nightly.20260615.567", Channel.NIGHTLY, date(2026, 6, 15)),
        ("0.0.28-nightly.20240229.0", Channel.NIGHTLY, date(2024, 2, 29)),
        ("0.0.28-alpha.0", Channel.ALPHA, None),
        ("0.0.28-alpha.12", Channel.ALPHA, None),
        ("0.0.28-nightly.20260230.567", Channel.OTHER, None),
        ("0.0.28-nightly.20250229.1", Channel.OTHER, None),
        ("0.0.28-nightly.20261301.1", Channel.OTHER, None),
        ("0.0.28-nightly.20260600.1", Channel.OTHER, None),
        ("0.0.28-nightly.2026061.567", Channel.OTHER, None),
        ("0.0.28-nightly.202606150.567", Channel.OTHER, None),
        ("0.0.28-nightly.20260615", Channel.OTHER, None),
        ("0.0.28-nightly.20260615.567.1", Channel.OTHER, None),
        ("0.0.28-nightly.20260615.x567", Channel.OTHER, None),
        ("0.0.28-Nightly.20260615.567", Channel.OTHER, None),
        ("0.0.28-xnightly.20260615.567", Channel.OTHER, None),
        ("0.0.28-x-nightly.20260615.567", Channel.OTHER, None),
        ("0.0.28-x-alpha.1", Channel.OTHER, None),
        ("0.0.28-alpha", Channel.OTHER, None),
        ("0.0.28-alpha.x", Channel.OTHER, None),
        ("0.0.28-alpha.1.2", Channel.OTHER, None),
        ("0.0.28-beta.3", Channel.OTHER, None),
        ("0.0.28--", Channel.OTHER, None),
    ],
)
def test_the_channel_and_the_day_are_read_off_the_text(
    text: str, channel: Channel, day: date | None
) -> None:
    """Only t3's own grammar names a channel, and a nightly only with a day that there is."""
    version = Version.parse(text)
    assert version.channel is channel
    assert version.published_on == day


def test_channels_are_named_as_the_dist_tags() -> None:
    """The names are what the journal keeps."""
    assert [channel.value for channel in Channel] == ["latest", "nightly", "alpha", "other"]
