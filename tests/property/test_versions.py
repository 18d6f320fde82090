"""The order of versions as laws, each class quoting the paragraph that it checks.

The paragraphs are those of Semantic Versioning 2.0.0, https://semver.org/spec/v2.0.0.html.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from semantic_version import Version as Oracle

from t3safe.domain.versions import Channel, InvalidVersion, Version
from tests.strategies import (
    alphanumeric_identifiers,
    identifiers,
    nightly_texts,
    numeric_identifiers,
    releases,
    version_texts,
    versions,
)

_FIELDS = st.lists(identifiers, max_size=3)


def _version(release: str, *fields: str) -> Version:
    return Version.parse(f"{release}-{'.'.join(fields)}" if fields else release)


class TestParagraph11p1:
    """11.1: Precedence MUST be calculated by separating the version into major, minor, patch and
    pre-release identifiers in that order (build metadata does not figure into precedence).
    """

    @given(release=releases, other=releases, fields=_FIELDS, others=_FIELDS)
    def test_the_release_part_decides_first(
        self, release: str, other: str, fields: list[str], others: list[str]
    ) -> None:
        """Whatever the pre-releases are, the higher release part wins."""
        ours = tuple(map(int, release.split(".")))
        theirs = tuple(map(int, other.split(".")))
        assume(ours < theirs)
        assert _version(release, *fields) < _version(other, *others)

    @given(text=version_texts, build=identifiers)
    def test_build_metadata_never_gets_as_far(self, text: str, build: str) -> None:
        """What does not figure into precedence is refused, so that text is identity."""
        with pytest.raises(InvalidVersion, match="build metadata"):
            Version.parse(f"{text}+{build}")


class TestParagraph11p2:
    """11.2: Precedence is determined by the first difference when comparing each of these
    identifiers from left to right as follows: major, minor, and patch versions are always
    compared numerically.  Example: 1.0.0 < 2.0.0 < 2.1.0 < 2.1.1.
    """

    def test_the_example(self) -> None:
        """The paragraph's own example holds."""
        a, b, c, d = map(Version.parse, ["1.0.0", "2.0.0", "2.1.0", "2.1.1"])
        assert a < b < c < d

    @given(
        prefix=st.lists(st.integers(0, 99), max_size=2),
        lower=st.integers(0, 10**9),
        step=st.integers(1, 10**9),
        tails=st.lists(st.integers(0, 99), min_size=4, max_size=4),
    )
    def test_the_first_difference_decides(
        self, prefix: list[int], lower: int, step: int, tails: list[int]
    ) -> None:
        """The number at the first difference decides, whatever comes after it."""
        rest = 2 - len(prefix)
        low = [*prefix, lower, *tails[:rest]]
        high = [*prefix, lower + step, *tails[2 : 2 + rest]]
        assert _version(".".join(map(str, low))) < _version(".".join(map(str, high)))


class TestParagraph11p3:
    """11.3: When major, minor, and patch are equal, a pre-release version has lower precedence
    than a normal version.  Example: 1.0.0-alpha < 1.0.0.
    """

    @given(release=releases, fields=st.lists(identifiers, min_size=1, max_size=4))
    def test_a_prerelease_comes_before_its_release(self, release: str, fields: list[str]) -> None:
        """No pre-release, however long, outranks the release that it leads to."""
        assert _version(release, *fields) < _version(release)


class TestParagraph11p4p1:
    """11.4.1: Identifiers consisting of only digits are compared numerically."""

    @given(before=_FIELDS, low=numeric_identifiers, high=numeric_identifiers, after=_FIELDS)
    def test_numbers_compare_as_numbers(
        self, before: list[str], low: str, high: str, after: list[str]
    ) -> None:
        """The smaller number is the lower, also where its text is not."""
        assume(int(low) < int(high))
        assert _version("1.0.0", *before, low, *after) < _version("1.0.0", *before, high)


class TestParagraph11p4p2:
    """11.4.2: Identifiers with letters or hyphens are compared lexically in ASCII sort order."""

    @given(
        before=_FIELDS,
        low=alphanumeric_identifiers,
        high=alphanumeric_identifiers,
        after=_FIELDS,
    )
    def test_texts_compare_as_ascii(
        self, before: list[str], low: str, high: str, after: list[str]
    ) -> None:
        """The lower bytes are the lower identifier: `Z` before `a`, `-` before both."""
        assume(low.encode("ascii") < high.encode("ascii"))
        assert _version("1.0.0", *before, low, *after) < _version("1.0.0", *before, high)


class TestParagraph11p4p3:
    """11.4.3: Numeric identifiers always have lower precedence than non-numeric identifiers."""

    @given(before=_FIELDS, number=numeric_identifiers, text=alphanumeric_identifiers, after=_FIELDS)
    def test_a_number_comes_before_any_text(
        self, before: list[str], number: str, text: str, after: list[str]
    ) -> None:
        """No number is large enough to outrank a text."""
        assert _version("1.0.0", *before, number, *after) < _version("1.0.0", *before, text)


class TestParagraph11p4p4:
    """11.4.4: A larger set of pre-release fields has a higher precedence than a smaller set, if
    all of the preceding identifiers are equal.
    """

    @given(
        fields=st.lists(identifiers, min_size=1, max_size=3),
        more=st.lists(identifiers, min_size=1, max_size=3),
    )
    def test_more_fields_outrank_fewer(self, fields: list[str], more: list[str]) -> None:
        """A prefix is lower than everything that it is a prefix of."""
        assert _version("1.0.0", *fields) < _version("1.0.0", *fields, *more)


@given(text=version_texts, other=version_texts)
def test_order_is_that_of_an_independent_reading_of_semver(text: str, other: str) -> None:
    """A library that knows nothing of ours puts every two versions in the same order."""
    ours, theirs = (Version.parse(text), Version.parse(other)), (Oracle(text), Oracle(other))
    assert (ours[0] < ours[1]) == (theirs[0] < theirs[1])
    assert (ours[0] == ours[1]) == (theirs[0] == theirs[1])


@given(text=st.one_of(version_texts, st.text("01a-.v+ ", max_size=12)))
def test_accepts_exactly_semver_without_build_metadata(text: str) -> None:
    """What an independent reader takes and what carries no metadata is taken, nothing else."""
    try:
        expected = not Oracle(text).build and "+" not in text
    except ValueError:
        expected = False
    try:
        Version.parse(text)
    except InvalidVersion:
        assert not expected
    else:
        assert expected


@given(first=versions, second=versions, third=versions)
def test_the_order_is_total(first: Version, second: Version, third: Version) -> None:
    """Exactly one of <, =, > holds, and < is transitive."""
    assert [first < second, first == second, first > second].count(True) == 1
    assert (first <= second) == (not second < first)
    low, middle, high = sorted([first, second, third])
    assert low <= middle <= high
    assert low <= high


@given(text=version_texts)
def test_the_text_goes_in_and_comes_out(text: str) -> None:
    """Parsing keeps the raw text, byte for byte, and parsing it again gives an equal value."""
    version = Version.parse(text)
    assert str(version) == text
    assert Version.parse(str(version)) == version
    assert hash(Version.parse(text)) == hash(version)


@given(text=st.text(max_size=20))
def test_any_text_is_read_or_refused_and_never_breaks_the_reader(text: str) -> None:
    """A hostile text gives a version that is safe as a folder name, or InvalidVersion."""
    try:
        version = Version.parse(text)
    except InvalidVersion:
        return
    assert "/" not in version.text
    assert version.text.strip(".") == version.text
    assert version.text.isascii()
    assert version.text.isprintable()


@given(text=nightly_texts)
def test_a_nightly_is_known_by_its_day(text: str) -> None:
    """t3's own grammar: `X.Y.Z-nightly.<UTC date>.<run number>`."""
    version = Version.parse(text)
    assert version.channel is Channel.NIGHTLY
    assert version.published_on is not None
    assert f"nightly.{version.published_on:%Y%m%d}." in text
