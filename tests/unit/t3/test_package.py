"""What is known of t3's npm package, by what a package.json and the head of a file say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from t3safe.t3 import package
from t3safe.t3.package import Elf, NativeFile, PackageManifest, Platform, Problem, Shape, Whose
from tests.support.elf import LOAD, Segment, elf

VERSION = "0.0.46-nightly.20261003.2610"
X64 = "@t3code/t3-linux-x64"
NODE = {"name": "t3", "version": VERSION, "bin": {"t3": "dist/bin.mjs"}}
LAUNCHER = {
    "name": "t3",
    "version": VERSION,
    "repository": {"type": "git", "url": "https://github.com/pingdotgg/t3code"},
    "bin": {"t3": "./bin/t3.js"},
    "files": ["bin", "dist"],
    "optionalDependencies": {
        "@t3code/t3-darwin-arm64": VERSION,
        "@t3code/t3-linux-arm64": VERSION,
        X64: VERSION,
        "somebody-else": "1.0.0",
    },
}
PLATFORM = {"name": X64, "version": VERSION, "os": ["linux"], "cpu": ["x64"]}
PROGRAM = f"node_modules/{X64}/t3"


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (NODE, Shape.NODE),
        (NODE | {"bin": "dist/bin.mjs"}, Shape.NODE),
        (LAUNCHER, Shape.LAUNCHER),
        (LAUNCHER | {"optionalDependencies": {}}, Shape.LAUNCHER),
        (LAUNCHER | {"bin": {"t3": "dist/bin.mjs"}}, Shape.LAUNCHER),
        (NODE | {"bin": {"t3": "cli.js"}}, Shape.UNKNOWN),
        (NODE | {"bin": {"t4": "dist/bin.mjs"}}, Shape.UNKNOWN),
        ({}, Shape.UNKNOWN),
        ([], Shape.UNKNOWN),
        (None, Shape.UNKNOWN),
        ({"name": 1, "bin": {"t3": 2}, "optionalDependencies": [X64]}, Shape.UNKNOWN),
    ],
)
def test_a_package_is_recognised_by_what_it_says(body: object, shape: Shape) -> None:
    """Never by its version; and `dist/bin.mjs` beside platform packages is no node program."""
    assert PackageManifest.read(body).shape is shape


def test_a_package_json_is_read_leniently() -> None:
    """What npm lets be written in two ways is read in both; what has another form is absent."""
    found = PackageManifest.read(LAUNCHER | {"engines": {"node": ">=24"}})
    assert (found.repository, found.engines) == ("https://github.com/pingdotgg/t3code", ">=24")
    assert (found.entry, sorted(found.platforms)[-1]) == ("bin/t3.js", X64)
    assert "somebody-else" not in found.platforms
    assert PackageManifest.read({"repository": "github:x/y"}).repository == "github:x/y"
    assert PackageManifest.read({"version": 1, "repository": {"url": []}}) == PackageManifest()


@pytest.mark.parametrize(
    ("body", "program", "launched"),
    [
        (NODE, "node_modules/t3/dist/bin.mjs", ""),
        (LAUNCHER, PROGRAM, ""),
        (LAUNCHER, f"node_modules/t3/{PROGRAM}", ""),
        (LAUNCHER, "node_modules/t3/bin/t3.js", "@t3code/t3-darwin-arm64"),
        (LAUNCHER, "node_modules/t3/dist/bin.mjs", "@t3code/t3-darwin-arm64"),
        (LAUNCHER | {"optionalDependencies": {}}, "node_modules/t3/bin/t3.js", "@t3code/t3-*"),
    ],
)
def test_a_launcher_that_is_executed_is_told(body: object, program: str, launched: str) -> None:
    """What it starts would be a child: without the start lock, and without the unit's signals."""
    assert PackageManifest.read(body).launches(program) == launched


def test_a_platform_package_is_named_by_the_machine() -> None:
    """As the kernel calls the machine; its package lies where node would find it."""
    found = PackageManifest.read(LAUNCHER)
    assert package.platform_package(found, "x86_64") == X64
    assert package.platform_package(found, "aarch64") == "@t3code/t3-linux-arm64"
    assert list(package.platform_files(found, X64)) == [
        (f"node_modules/t3/node_modules/{X64}/package.json", f"node_modules/t3/{PROGRAM}"),
        (f"node_modules/{X64}/package.json", PROGRAM),
    ]
    assert list(package.platform_files(found, "somebody-else")) == []


def test_a_machine_without_a_program_is_told_which_have_one() -> None:
    """Nothing helps there but another host; a launcher that names no program is the package's."""
    for machine in ("riscv64", "armv7l"):
        problem = package.platform_package(PackageManifest.read(LAUNCHER), machine)
        assert problem == Problem(
            "the package has a program for darwin-arm64, linux-arm64, linux-x64, and none for this"
            f" host (linux, {machine})",
            Whose.HOST,
            "use a host of such a platform",
        )
    arm = PackageManifest.read(LAUNCHER | {"optionalDependencies": {"@t3code/t3-linux-arm64": "1"}})
    problem = package.platform_package(arm, "x86_64")
    assert isinstance(problem, Problem)
    assert problem.what == (
        "the package has a program for linux-arm64, and none for this host (linux, x86_64)"
    )
    bare = PackageManifest.read(LAUNCHER | {"optionalDependencies": {}})
    assert package.platform_package(bare, "x86_64") == Problem(
        "its program only starts another one, of @t3code/t3-*, and it depends on none",
        Whose.PACKAGE,
    )


def test_a_package_that_npm_left_out_is_for_later() -> None:
    """With the version of npm: some pass over an optional dependency that another one installs."""
    for npm, shown in (("11.19.1", "npm 11.19.1"), ("", "npm (unknown)")):
        problem = package.absent(X64, npm)
        assert problem.whose is Whose.LATER
        assert X64 in problem.what
        assert shown in problem.fix


WRONG = f"{PROGRAM} is a program for"
GOOD = NativeFile(PROGRAM, Elf(62, "/lib64/ld-linux-x86-64.so.2"), executable=True)


def test_a_native_program_for_this_t3_and_this_machine_is_taken() -> None:
    """Same version on both sides, an ELF file for the machine, executable."""
    found = PackageManifest.read(LAUNCHER), PackageManifest.read(PLATFORM)
    assert package.judge_native(*found, "x86_64", GOOD) is None


@pytest.mark.parametrize(
    ("launcher", "platform", "file", "what"),
    [
        ({}, {"name": "t3"}, {}, f"{X64} calls itself 't3'"),
        ({}, {"version": "0.0.45"}, {}, f"{X64} is of version 0.0.45, t3 of {VERSION}"),
        ({}, {"version": None}, {}, f"{X64} is of version none, t3 of {VERSION}"),
        ({X64: "^0.0.46"}, {}, {}, f"{X64} is of version ^0.0.46, t3 of {VERSION}"),
        (
            {"@t3code/t3-linux-arm64": VERSION},
            {},
            {},
            f"{X64} is of version none, t3 of {VERSION}",
        ),
        ({}, {"name": "n" * 65}, {}, f"{X64} calls itself {'n' * 64!r}"),
        ({X64: "v" * 65}, {}, {}, f"{X64} is of version {'v' * 64}, t3 of {VERSION}"),
        ({}, {}, {"elf": None}, f"{PROGRAM} is no native program (no ELF file)"),
        (
            {},
            {},
            {"elf": Elf(183, "")},
            f"{WRONG} linux-arm64, not for linux-x64",
        ),
        (
            {},
            {},
            {"elf": Elf(243, "")},
            f"{WRONG} machine 243, not for linux-x64",
        ),
        ({}, {}, {"executable": False}, f"{PROGRAM} is not executable"),
    ],
)
def test_what_is_published_wrongly_is_the_packages_fault(
    launcher: dict[str, str], platform: dict[str, object], file: dict[str, Any], what: str
) -> None:
    """Each is told by its name, and nothing of it is executed."""
    changed = LAUNCHER | ({"optionalDependencies": launcher} if launcher else {})
    found = PackageManifest.read(changed), PackageManifest.read(PLATFORM | platform)
    problem = package.judge_native(*found, "x86_64", GOOD._replace(**file))
    assert problem == Problem(what, Whose.PACKAGE)


def test_the_version_of_t3_is_cut_short_where_it_is_told() -> None:
    """It is the package's own word, too."""
    launcher = PackageManifest.read(LAUNCHER | {"version": "v" * 65})
    problem = package.judge_native(launcher, PackageManifest.read(PLATFORM), "x86_64", GOOD)
    assert problem is not None
    assert problem.what == f"{X64} is of version {VERSION}, t3 of {'v' * 64}"


def reader(content: bytes) -> Callable[[int, int], bytes]:
    """Read in a file that holds this."""
    return lambda offset, size: content[offset : offset + size]


LOADER = "/lib64/ld.so.2"
LOADED = Segment(LOAD, b"code")
DEEP = Segment(path=b"/" + b"x" * 4095 + b"yz\0")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (elf(LOADED, Segment(), LOADED), Elf(62, LOADER)),
        (elf(Segment(), machine=183), Elf(183, LOADER)),
        # A static program.
        (elf(LOADED, machine=183), Elf(183, "")),
        (elf(), Elf(62, "")),
        # The table is cut off, within an entry and before it.
        (elf(LOADED, Segment())[:-1], Elf(62, "")),
        (elf(Segment())[:70], Elf(62, "")),
        # An entry of another size: Linux would not start it.
        (elf(Segment(), entry=0), Elf(62, "")),
        (elf(Segment(), entry=57), Elf(62, "")),
        # What stands behind the table is not of it.
        (elf(LOADED, Segment(), counted=1), Elf(62, "")),
        (elf(*[LOADED] * 63, Segment()), Elf(62, LOADER)),
        (elf(*[LOADED] * 64, Segment()), Elf(62, "")),
        (elf(Segment(path=b"/first\0"), Segment()), Elf(62, "/first")),
        (elf(Segment(path=b"/first\0\0/behind\0")), Elf(62, "/first")),
        (elf(Segment(path=b"/without")), Elf(62, "/without")),
        (elf(Segment(path=b"/X\xff\0")), Elf(62, "/X\ufffd")),
        (elf(DEEP), Elf(62, "/" + "x" * 4095)),
    ],
)
def test_the_head_of_a_native_program_is_read(content: bytes, expected: Elf) -> None:
    """Machine and loader, wherever the table of segments lies; a static program names no loader."""
    assert package.read_elf(reader(content)) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\nexit 0\n",
        b"\x7fELF",
        b"\x7fELF\x01" + elf()[5:],
        b"\x7fELF\x02\x02" + elf()[6:],
        b"\x7fELG" + elf()[4:],
        elf()[:63],
        b"MZ" + bytes(90),
    ],
)
def test_what_is_no_such_file_is_none(content: bytes) -> None:
    """A text, an empty file, a file of 32 bits or of the other byte order."""
    assert package.read_elf(reader(content)) is None


@pytest.mark.parametrize(
    ("printed", "what", "fix"),
    [
        (
            (
                "/x/t3: error while loading shared libraries: libatomic.so.1: cannot open shared"
                " object file: No such file or directory\n"
            ),
            "t3's program needs libatomic.so.1, which this host does not have",
            "apt-get install libatomic1",
        ),
        (
            "t3: error while loading shared libraries: libstdc++.so.6: cannot open shared object",
            "t3's program needs libstdc++.so.6, which this host does not have",
            "install the package of the system that has libstdc++.so.6",
        ),
        (
            "t3: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by t3)",
            "t3's program needs GLIBC_2.38, this host's libraries are older",
            "use a newer release",
        ),
    ],
)
def test_what_the_host_lacks_is_read_in_the_loaders_words(
    printed: str, what: str, fix: str
) -> None:
    """By its name, with what to install."""
    problem = package.lacking(printed)
    assert problem is not None
    assert (problem.what, problem.whose) == (what, Whose.HOST)
    assert fix in problem.fix
    # A failure of t3 itself is not taken for one of the host.
    assert package.lacking("Error: cannot open the database") is None


def test_what_a_host_lacks_is_known_before_a_program_is_there() -> None:
    """A machine that no program is made for, a host with another libc, a library that is missing.

    Without the loader nothing is said of libraries: another libc's would prove nothing.
    """
    loader, (library,) = package.wanted("x86_64")
    assert package.lacks(package.NativeHost("x86_64", frozenset({loader, library}))) == ()
    (missing,) = package.lacks(package.NativeHost("x86_64", frozenset({loader})))
    assert missing.what == "t3's program needs libatomic.so.1, which this host does not have"
    assert "apt-get install libatomic1" in missing.fix
    (musl,) = package.lacks(package.NativeHost("x86_64", frozenset({library})))
    assert musl == package.lacks_loader(loader)
    assert (musl.whose, "musl" in musl.fix) == (Whose.HOST, True)
    assert f"needs glibc, whose loader {loader} this host" in musl.what
    # A loader is the package's own word.
    assert f"loader /{'x' * 63} this host" in package.lacks_loader("/" + "x" * 64).what
    (other,) = package.lacks(package.NativeHost("riscv64", frozenset()))
    assert other == Problem(
        "t3 has no native program for this machine (riscv64), only for linux-x64, linux-arm64",
        Whose.HOST,
        "use a host of such a platform",
    )


def test_what_a_host_should_have_is_known_beforehand() -> None:
    """The loader of the machine, and libraries that were missing somewhere."""
    assert package.wanted("x86_64") == ("/lib64/ld-linux-x86-64.so.2", ("libatomic.so.1",))
    assert package.wanted("riscv64")[0] == ""
    assert package.MACHINES["aarch64"] == Platform("linux-arm64", 183, "/lib/ld-linux-aarch64.so.1")


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/opt/b/node_modules/t3/dist/bin.mjs", True),
        (f"/opt/b/{PROGRAM}", True),
        (f"/opt/b/node_modules/{X64}/resource-monitor/resource-monitor", True),
        (f"/opt/b/node_modules/{X64}/node_modules/@anthropic/claude/cli.js", False),
        ("/opt/b/node_modules/t3-other/cli.js", False),
        ("t3/dist/bin.mjs", False),
        ("/usr/bin/node", False),
    ],
)
def test_a_program_of_t3_itself_is_told_from_what_it_brings(path: str, own: bool) -> None:
    """What lies in the package itself, or in one of its platform's; not what they bundle."""
    assert package.is_own(path) is own


@pytest.mark.parametrize(
    ("path", "started"),
    [
        ("/opt/b/node_modules/.bin/t3", True),
        ("/opt/b/node_modules/t3/dist/bin.mjs", True),
        ("/opt/b/node_modules/t3/bin/t3.js", True),
        (f"/opt/b/{PROGRAM}", True),
        (f"/opt/b/node_modules/t3/{PROGRAM}", True),
        (f"/opt/b/node_modules/{X64}/client/t3", False),
        (f"/opt/b/node_modules/{X64}/resource-monitor", False),
        ("/opt/b/node_modules/t3/package.json", False),
        ("/opt/b/build.json", False),
        ("t3", False),
    ],
)
def test_an_installed_program_is_told_from_other_files(path: str, started: bool) -> None:
    """Who only reads a file of a build does not execute it."""
    assert package.is_installed_program(path) is started


def test_a_command_of_t3_is_known_by_its_name() -> None:
    """By whatever path it was started."""
    assert package.is_program("/home/ann/.t3/runtime/versions/0.0.46/t3")
    assert package.is_program("/x/dist/bin.mjs")
    assert package.is_program("t3")
    assert not package.is_program("/usr/bin/t3-other")
    assert not package.is_program("/usr/lib/node_modules/t3/")


@pytest.mark.parametrize(("ended", "status"), [(0, 0), (1, 1), (130, 130), (-9, 137), (-15, 143)])
def test_a_launcher_ends_with_the_status_of_its_program(ended: int, status: int) -> None:
    """A signal is told as a shell tells it."""
    assert package.launcher_status(ended) == status
