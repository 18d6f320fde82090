from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from t3safe.domain.people import instances_of, parse_user_map, person_of, valid_person

_LINES = st.one_of(
    st.text(max_size=20),
    st.builds(
        "{}={}".format,
        st.sampled_from(["alice", "bob", "bob@x", "", "a b", "../x"]),
        st.sampled_from(["alice", "bob", "root", "..", "a/b", ""]),
    ),
)


def _login(line: str) -> str:
    return line.partition("=")[0].strip().partition("@")[0]


def _name(line: str) -> str:
    return line.partition("=")[2].strip()


@given(lines=st.lists(_LINES, max_size=8))
def test_every_line_is_read_skipped_or_reported(lines: list[str]) -> None:
    """Rule 4: a malformed line is reported with its number and skips that line only.

    A line that says what an earlier one has said is neither read again nor reported.
    """
    text = "\n".join(lines)
    found = parse_user_map(text)
    told = text.split("\n")
    meant = [line for line in told if line.strip() and not line.strip().startswith("#")]
    names = {login: person.name for person in found.people for login in person.logins}
    again = len([line for line in meant if names.get(_login(line)) == _name(line)]) - len(names)
    assert len(names) + again + len(found.problems) == len(meant)
    assert all(1 <= problem.line <= len(told) for problem in found.problems)


@given(lines=st.lists(_LINES, max_size=8))
def test_whoever_is_found_is_a_person_and_found_once(lines: list[str]) -> None:
    """Rules 3 and 5: one login names one person, and no name is a path, an option or root."""
    people = parse_user_map("\n".join(lines)).people
    names = [person.name for person in people]
    logins = [login for person in people for login in person.logins]
    assert len(set(names)) == len(names)
    assert len(set(logins)) == len(logins)
    assert all(valid_person(name) and "/" not in name and name != "root" for name in names)
    assert all(login and "@" not in login for login in logins)


@given(name=st.text("aZ0._@-$/ \\x\n", max_size=12))
def test_every_instance_of_a_person_names_that_person_again(name: str) -> None:
    """Rule 8: plain or escaped, an instance that systemd shows leads back to its person."""
    if valid_person(name):
        assert {person_of(instance) for instance in instances_of(name)} == {name}
    else:
        assert person_of(name) == "" or valid_person(person_of(name))
