from __future__ import annotations

import pytest

from t3safe.domain.people import (
    MapProblem,
    Person,
    UserMap,
    instances_of,
    parse_user_map,
    person_of,
    units_of,
    valid_person,
)

MAP = """\
# who has a serve here

alice=alice
bob@example.org = bob
  # the same person by another name
robert=bob\r
\tcarol.o+x = carol_2-a\t
"""


def test_reads_a_whole_map() -> None:
    """Comments and blanks are allowed; several logins name one person, in the file's order."""
    assert parse_user_map(MAP) == UserMap(
        people=(
            Person("alice", ("alice",)),
            Person("bob", ("bob", "robert")),
            Person("carol_2-a", ("carol.o+x",)),
        ),
        problems=(),
    )


@pytest.mark.parametrize("text", ["", "\n", "   \n\t\n", "# nobody yet\n"])
def test_a_map_of_nobody_is_no_problem(text: str) -> None:
    """An empty map is a host without people, not a broken one."""
    assert parse_user_map(text) == UserMap((), ())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("alice", "no '=' between login and user"),
        ("alice:alice", "no '=' between login and user"),
        ("=alice", "'' is not a login"),
        ("@example.org=alice", "'@example.org' is not a login"),
        ("al ice=alice", "'al ice' is not a login"),
        ("al/ice=alice", "'al/ice' is not a login"),
        ("alice\t=alice\x00", "'alice\\x00' is not a person's user name"),
        ("a" * 129 + "=alice", f"'{'a' * 129}' is not a login"),
        ("ålice=alice", "'ålice' is not a login"),
        ("alice=", "'' is not a person's user name"),
        ("alice=alice=bob", "'alice=bob' is not a person's user name"),
        ("alice=../alice", "'../alice' is not a person's user name"),
        ("alice=..", "'..' is not a person's user name"),
        ("alice=/home/alice", "'/home/alice' is not a person's user name"),
        ("alice=al ice", "'al ice' is not a person's user name"),
        ("alice=-rf", "'-rf' is not a person's user name"),
        ("alice=4711", "'4711' is not a person's user name"),
        ("alice=alice # me", "'alice # me' is not a person's user name"),
        ("alice=" + "a" * 65, f"'{'a' * 65}' is not a person's user name"),
        ("alice=root", "'root' is not a person's user name"),
        ("root=root", "'root' is not a person's user name"),
    ],
)
def test_a_malformed_line_is_reported_and_skips_that_line_only(line: str, reason: str) -> None:
    """The lines before and after count; the report has the line's number and the reason."""
    found = parse_user_map(f"# map\nbob=bob\n{line}\ncarol=carol\n")
    assert found.people == (Person("bob", ("bob",)), Person("carol", ("carol",)))
    assert found.problems == (MapProblem(3, reason),)


def test_a_problem_is_shown_with_its_line() -> None:
    """What a person reads names the line to fix."""
    assert str(MapProblem(7, "no '='")) == "line 7: no '='"


def test_one_login_names_one_person_and_the_first_line_wins() -> None:
    """A later line cannot take a login over."""
    found = parse_user_map("alice=alice\nalice=bob\nalice@example.org=bob\nbob=bob\n")
    assert found.people == (Person("alice", ("alice",)), Person("bob", ("bob",)))
    assert found.problems == (
        MapProblem(2, "login 'alice' already names 'alice'"),
        MapProblem(3, "login 'alice' already names 'alice'"),
    )


def test_saying_the_same_again_is_no_problem() -> None:
    """One login under two domains, or a line twice, changes nothing and is nothing to fix."""
    text = "alice@example.org=alice\nalice@example.net=alice\nalice = alice\nbob=bob\n"
    people = (Person("alice", ("alice",)), Person("bob", ("bob",)))
    assert parse_user_map(text) == UserMap(people, ())


def test_root_may_be_a_login_but_never_a_person() -> None:
    """Only the right side is a name that processes run under."""
    assert parse_user_map("root=alice").people == (Person("alice", ("root",)),)


REAL = (
    "a", "_svc", "alice", "a-b_c9", "a" * 32, "a" * 64, "Alice", "john.doe", "0alice", "9lives",
    "build$", "john@corp.example", "John.Doe-2@CORP", "root$", "4711$", "a.", "a-", "a@",
)  # fmt: skip
"""Names as useradd, adduser --force-badname, Samba and directory services make them."""
NOBODYS = (
    "", "root", ".", "..", ".a", "a/b", "/a", "a b", " a", "a\n", "a\t", "-a", "--help", "@a", "$",
    "a$b", "a$$", "$a", "$(id)", "a;b", "a:b", "a%b", "a\\x2db", "a*", "a'b", "é", "a\x00", "4711",
    "0", "a" * 65, "a\u0661", "\u0661",
)  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_a_name_that_a_host_really_has_is_valid(name: str) -> None:
    """Dots, dashes, capitals, a last `$`, a realm, a first digit, up to 64 characters."""
    assert valid_person(name)
    assert parse_user_map(f"x={name}\n").people == (Person(name, ("x",)),)


@pytest.mark.parametrize("name", NOBODYS)
def test_a_name_that_could_be_a_path_an_option_or_a_number_is_not(name: str) -> None:
    """Nor is root, and nothing is trimmed before it is judged."""
    assert not valid_person(name)


def test_the_realm_of_a_user_counts_and_that_of_a_login_does_not() -> None:
    """A login is cut at its `@`; the name of an OS user is kept whole."""
    found = parse_user_map("john@example.org=john@corp.example\n")
    assert found.people == (Person("john@corp.example", ("john",)),)


@pytest.mark.parametrize(
    ("name", "instances"),
    [
        ("alice", ("alice",)),
        ("john.doe", ("john.doe",)),
        ("a-b", ("a-b", "a\\x2db")),
        ("john@corp", ("john@corp", "john\\x40corp")),
        ("build$", ("build\\x24",)),
    ],
)
def test_a_person_has_one_or_two_instances(name: str, instances: tuple[str, ...]) -> None:
    """Plain and as systemd-escape writes it; plain only where a unit's name takes it."""
    assert instances_of(name) == instances
    assert units_of("t3@{person}.service", name) == tuple(f"t3@{one}.service" for one in instances)


def test_a_unit_without_a_person_in_its_name_is_one_unit() -> None:
    """A person's own unit has no instance."""
    assert units_of("t3-serve.service", "a-b") == ("t3-serve.service",)


@pytest.mark.parametrize("name", REAL)
def test_each_instance_of_a_person_leads_back_to_them(name: str) -> None:
    """In both ways to write it."""
    assert {person_of(instance) for instance in instances_of(name)} == {name}


@pytest.mark.parametrize(
    "instance", ["", "a\\x2fb", "a\\x20b", "\\x2e\\x2e", "root", "a\\b", "a\\xzz"]
)
def test_an_instance_that_can_be_nobodys_names_nobody(instance: str) -> None:
    """What an escape hides is judged like any other name."""
    assert person_of(instance) == ""
