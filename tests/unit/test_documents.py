"""The documents say what the code does: commands, statuses, variables, modules, links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from documents.known import known_page
from documents.modules import modules_page
from documents.reference import reference
from fakes import statechart
from t3safe.domain.messages import ALERT_WORDS
from t3safe.domain.rollout_state import Stage
from t3safe.entrypoints.cli import COMMANDS, cli
from t3safe.entrypoints.exits import Exit
from t3safe.entrypoints.settings import DEFAULT_FILE, ENVIRONMENT, load
from tests.support.documents import KINDS, NAMED, example

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
USING = ROOT / "docs" / "using.md"
RUNBOOK = ROOT / "docs" / "runbook.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
STATES = ROOT / "docs" / "states.md"
DECISIONS = ROOT / "docs" / "adr"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md")]
    + [
        path
        for folder in ("docs", "fakes", "src", "tests")
        for path in (ROOT / folder).rglob("*.md")
    ]
)
PRESENT = [path for path in DOCUMENTS if path.parent != DECISIONS]
LOUD = (
    *ALERT_WORDS,
    "GATE BROKEN",
    "NEEDS A HUMAN",
    "STALE",
    "DEFERRED TOO LONG",
    "LAUNCHER RESTORED",
    "NOT IN THE USER MAP",
    "UNEXPLAINED BUILD",
)
"""How lines begin that somebody should look at; narrate and operations say them."""


def name_of(document: Path) -> str:
    """Name a document as a person would."""
    return str(document.relative_to(ROOT))


def text_of(document: Path) -> str:
    """Give the whole text of a document."""
    return document.read_text(encoding="utf-8")


def section(document: Path, heading: str) -> str:
    """Give what stands below a heading of the second level."""
    _, found, rest = text_of(document).partition(f"\n## {heading}\n")
    assert found, f"{name_of(document)} has no section {heading!r}"
    return rest.partition("\n## ")[0]


def first_cells(table: str) -> list[str]:
    """Give the first cell of each row, heading and rule left out."""
    rows = re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
    return [cell.strip() for cell in rows if set(cell.strip()) - set("-")][1:]


def anchors(document: Path) -> set[str]:
    """Give the anchors of a document's headings, as they are made for links."""
    headings = re.findall(r"^#+ (.+)$", text_of(document), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def command_names() -> set[str]:
    """Give the names of all commands."""
    return set(cli.commands)


def options_of(command: click.Command) -> set[str]:
    """Give the long options of a command, and of those below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = {name for param in command.params for name in param.opts if name.startswith("--")}
    return own.union(*map(options_of, below))


def test_the_page_lists_every_command_and_no_other() -> None:
    """The table of commands is that of the command line."""
    cells = first_cells(section(USING, "Commands"))
    assert sorted(cell.strip("`").split()[0] for cell in cells) == sorted(command_names())


def test_the_page_gives_every_command_only_options_that_it_has() -> None:
    """An option in the table is one that the command takes."""
    for cell in first_cells(section(USING, "Commands")):
        name = cell.strip("`").split()[0]
        assert set(re.findall(r"--[a-z-]+", cell)) <= options_of(cli.commands[name]), name


@pytest.mark.parametrize("document", [USING, RUNBOOK], ids=name_of)
def test_every_exit_status_is_in_the_table(document: Path) -> None:
    """Status and name stand together, each once, and no other does."""
    found = re.findall(
        r"^\| (\d+)(?: \|)? ([A-Z_]+) \|", section(document, "Exit statuses"), re.MULTILINE
    )
    assert found == [(str(status.value), status.name) for status in Exit]


def test_the_page_names_every_environment_variable_with_its_key() -> None:
    """The table of variables is that of the settings."""
    table = section(USING, "Files and environment")
    found = re.findall(r"^\| `(T3_[A-Z_]+)` \| `([a-z_]+)` \|", table, re.MULTILINE)
    assert dict(found) == ENVIRONMENT


def test_the_example_of_a_configuration_is_one(tmp_path: Path) -> None:
    """What the page shows can be copied into the file."""
    found = re.search(r"```toml\n(.*?)```", section(USING, "Configuration"), re.DOTALL)
    assert found
    file = tmp_path / "config.toml"
    file.write_text(found[1], encoding="utf-8")
    assert load(file, {}).policy.window is not None


@pytest.mark.parametrize("words", LOUD)
def test_the_runbook_has_a_part_for_every_loud_line(words: str) -> None:
    """Whoever is woken by a line finds it as a heading, and what to do there."""
    _, found, rest = section(RUNBOOK, "Alerts").partition(f"\n### {words}\n")
    assert found
    assert "`t3safe " in rest.partition("\n### ")[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    """A relative link names a file that is there, and a heading that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("document", PRESENT, ids=name_of)
def test_every_command_that_a_document_names_exists(document: Path) -> None:
    """`t3safe WORD` is typed as it stands there."""
    text = text_of(document)
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    named = re.findall(r"`t3safe ([a-z-]+)", text)
    named += re.findall(r"^t3safe ([a-z-]+)", blocks, re.MULTILINE)
    assert set(named) <= command_names()


@pytest.mark.parametrize("document", PRESENT, ids=name_of)
def test_every_path_of_the_project_that_a_document_names_exists(document: Path) -> None:
    """A path below a folder of the project is that of a file or folder.

    A decision names what was there on its day.
    """
    named = re.findall(r"`((?:src|tests|fakes|docs|requirements)/[\w./-]*)`", text_of(document))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_list_of_decisions_is_whole() -> None:
    """Every decision is listed with its title, in order, and no other."""
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    titles = [text_of(page).partition("\n")[0].removeprefix("# ") for page in pages]
    listed = re.findall(r"\[(\d+)\]\(([^)]+)\) \| (.+) \|", text_of(DECISIONS / "README.md"))
    assert [file for _, file, _ in listed] == [page.name for page in pages]
    assert [f"{number}: {title}" for number, _, title in listed] == titles


def test_the_map_names_every_package() -> None:
    """Each package and each module beside them; the modules inside are in a list of their own."""
    package = ROOT / "src" / "t3safe"
    text = section(ARCHITECTURE, "Packages")
    parts = [
        path.name
        for path in package.iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").exists()
    ]
    assert [name for name in parts if f"`{name}`" not in text] == []


def test_the_list_of_modules_is_that_of_the_code() -> None:
    """Else: `make docs`."""
    assert text_of(ROOT / "docs" / "modules.md") == modules_page()


@pytest.mark.long
@pytest.mark.timeout(900)  # every state is explored: a minute of a processor
def test_the_states_are_those_of_the_code() -> None:
    """The chart is what `decide` and `evolve` give now, word for word; else: `make docs`."""
    assert text_of(STATES) == statechart.page()


def test_every_diagram_declares_what_it_draws() -> None:
    """Mermaid draws nothing at all of a diagram that it cannot read."""
    diagrams = re.findall(r"^```mermaid\nflowchart TB\n(.*?)^```$", text_of(STATES), re.M | re.S)
    assert len(diagrams) == 9
    assert set(Stage) - {Stage.CLOSING} <= set(re.findall(r'"([\w-]+)(?:: [\w-]+)?"', diagrams[0]))
    label = r"(?:\|\"[^\"|\[\]{}]+\"\|)?"
    for diagram in diagrams:
        nodes: set[str] = set()
        for line in diagram.splitlines():
            node = re.fullmatch(r" {4}(n\d+)[(\[]+\"[\w :-]+\"[)\]]+", line)
            link = re.fullmatch(rf" {{4}}(n\d+) -->{label} (n\d+)", line)
            assert node or link, line
            nodes |= {node[1]} if node else set()
            assert not link or {link[1], link[2]} <= nodes


def test_every_setting_is_told_as_the_code_has_it() -> None:
    """docs/configuration.md is what `make docs` makes."""
    assert text_of(ROOT / "docs" / "configuration.md") == reference()


def test_what_is_known_of_t3_is_told_as_the_code_has_it() -> None:
    """docs/t3.md is what `make docs` makes; it names every generation and every module."""
    assert text_of(ROOT / "docs" / "t3.md") == known_page()
    modules = {path.name for path in (ROOT / "src" / "t3safe" / "t3").glob("[a-z]*.py")}
    assert modules == set(re.findall(r"^## (\w+\.py)$", known_page(), re.MULTILINE))


def keys_of(value: object) -> set[str]:
    """Give every key of a document, at any depth."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    below = (
        list(item.values()) if key in NAMED and isinstance(item, dict) else item
        for key, item in value.items()
    )
    return set(value).union(*map(keys_of, below))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_document_is_described(kind: str) -> None:
    """docs/json.md has a part for each kind, which names its fields and those of what it holds."""
    page = text_of(ROOT / "docs" / "json.md")
    told = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    part = section(ROOT / "docs" / "json.md", kind)
    assert f"t3safe/{kind}/" in part
    body = example(kind)[kind]
    assert keys_of(body) <= told
    top = body[0] if isinstance(body, list) else body
    assert set(top) <= set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE))


def test_every_command_that_prints_json_has_an_example() -> None:
    """Whoever adds `--json` to a command adds an example and a part of docs/json.md."""
    page = text_of(ROOT / "docs" / "json.md")
    assert set(re.findall(r"^## ([a-z-]+)$", page, re.MULTILINE)) == set(KINDS)
    printed = re.findall(r"`([a-z-]+)[a-z -]* --json`", page)
    assert set(printed) == {
        name for name, command in cli.commands.items() if "--json" in options_of(command)
    }


def test_manual_pages_are_those_of_the_commands(tmp_path: Path) -> None:
    """docs/man is what `make docs` makes: a page for each command, and no other."""
    # In a process of its own: making them changes how commands name themselves.
    make = "import pathlib, sys; from documents.manual import write_manual as write; "
    make += "write(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", make, str(tmp_path)], cwd=ROOT, check=True)
    kept = {path.name: text_of(path) for path in (ROOT / "docs" / "man").iterdir()}
    assert {path.name: text_of(path) for path in tmp_path.iterdir()} == kept
    assert "t3safe.1" in kept


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell: str) -> None:
    """What is printed asks t3safe itself, and bash can read it."""
    words = [sys.executable, "-m", "t3safe.entrypoints.cli", "completion", shell]
    script = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert "_T3SAFE_COMPLETE" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, check=True, text=True)


def test_completion_names_commands_and_their_options() -> None:
    """As a shell asks: `t3safe ro<TAB>` and `t3safe run --dr<TAB>`."""
    for typed, word, found in (
        ("t3safe ro", "1", "rollback"),
        ("t3safe run --dr", "2", "--dry-run"),
    ):
        asked = {"_T3SAFE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": word}
        program = "from t3safe.entrypoints.cli import cli; cli(prog_name='t3safe')"
        said = subprocess.run(
            [sys.executable, "-c", program], env=asked, check=False, capture_output=True, text=True
        )
        assert found in said.stdout


def test_every_command_is_found_under_its_own_name() -> None:
    """The table of modules names for each command the one that holds it."""
    assert {name: cli.commands[name].name for name in COMMANDS} == {name: name for name in COMMANDS}


def test_the_help_names_the_file_that_is_read_by_default() -> None:
    """The option is described without reading the settings."""
    (option,) = (param for param in cli.params if param.name == "file")
    assert isinstance(option, click.Option)
    assert str(DEFAULT_FILE) in (option.help or "")


def test_the_picture_of_a_run_fetches_nothing() -> None:
    """What a page shows comes from the project; the name space and a credit are no addresses."""
    drawn = text_of(ROOT / "docs" / "run.svg")
    assert "t3safe run" in drawn.replace("&#160;", " ")
    assert not re.findall(r"(?:url\(|href=)[\"']?https?:", drawn)
