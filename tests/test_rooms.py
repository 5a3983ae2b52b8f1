"""The plan of the house: rooms are entered by their doors, no import goes in a circle, and a worker trains nothing.

import-linter (pyproject.toml) holds which room may import which. Here is what it cannot say.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ("schemas", "models", "storage", "notify", "streams", "api", "console", "millrace", "migrations")
# The modules that lie in these themselves, such as `streams.app`, are doors of their own: they are in no room. Modules
# of `millrace.bench` run in environments that have a peer library and nothing of ours, so no door may load them all.
HALLS = ("models", "streams", "millrace", "millrace.bench")
TRAINS = ("lightgbm", "treelite", "xgboost", "sklearn", "pyarrow", "scipy")
MOST_LINES = 300


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for package in HOUSE for file in sorted((ROOT / package).rglob("*.py"))}
ROOMS = {name for name, file in MODULES.items() if file.name == "__init__.py" and name not in HALLS}
USERS = [file for folder in (*HOUSE, "benchmarks", "tests/support") for file in sorted((ROOT / folder).rglob("*.py"))]


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def imported(file: Path) -> tuple[tuple[int, str], ...]:
    """Line and module of each import, those inside functions too; of `from room import module` the module."""
    return tuple(_imported(file))


def _imported(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{file} imports relatively"
            assert node.level == 0, f"{file} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                # a name that the door gives is no way past it, even if a module inside has the same name
                is_module = whole in MODULES and not has_name(MODULES.get(node.module), alias.name)
                yield node.lineno, whole if is_module else node.module


@cache
def has_name(door: Path | None, name: str) -> bool:
    return door is not None and f'"{name}"' in door.read_text()


def room_of(module: str) -> str:
    """The room that a module lies in; a door lies in the room that it opens."""
    return module if module in ROOMS else module.rpartition(".")[0]


@pytest.mark.parametrize("file", USERS, ids=lambda file: str(file.relative_to(ROOT)))
def test_other_rooms_are_entered_by_their_doors(file: Path) -> None:
    here = room_of(name_of(file)) if file.is_relative_to(ROOT) else ""
    past = [
        f"{file.relative_to(ROOT)}:{line} imports {module}"
        for line, module in imported(file)
        if module in MODULES and module not in ROOMS and (room := room_of(module)) in ROOMS and room != here
    ]
    assert not past


def test_no_import_goes_in_a_circle() -> None:
    """Imports of modules, those inside functions too; a door counts as the modules that its names come from."""
    graph = {name: {m for _, m in imported(file) if m in MODULES} for name, file in MODULES.items()}
    assert circles(graph) == []


@pytest.mark.parametrize("room", ["models/kernel", "models/recommender/kernel"])
def test_the_kernels_have_no_circle(room: str) -> None:
    """A C file stands on another one if it calls what the other one defines."""
    kernel = ROOT / room
    headers = "".join(without_comments(file) for file in kernel.glob("*.h"))
    declared = set(re.findall(r"^(?!static\b|typedef\b)\w[\w \*]*?\b(\w+)\([^;{]*\);", headers, re.MULTILINE))
    texts = {file.stem: without_comments(file) for file in kernel.glob("*.c")}
    defined = {
        function: stem
        for function in declared
        for stem, text in texts.items()
        if re.search(rf"^\w[^;={{}}\n]*\b{function}\([^;{{]*\)\s*{{", text, re.MULTILINE)
    }
    assert defined.keys() == declared
    graph = {
        stem: {home for name, home in defined.items() if home != stem and re.search(rf"\b{name}\b", text)}
        for stem, text in texts.items()
    }
    assert sum(map(len, graph.values())) > len(graph)  # the files do call each other
    assert circles(graph) == []


def without_comments(file: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)


def test_rooms_are_imported_by_name() -> None:
    """`import models.registry` would let attributes lead past the door: `models.registry.store.ModelStore`."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in USERS
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name in ROOMS and "." in alias.name
    ]
    assert found == []


def test_schemas_know_pydantic_and_the_standard_library_only() -> None:
    own = {file for name, file in MODULES.items() if name.partition(".")[0] == "schemas"}
    known = {*sys.stdlib_module_names, "pydantic", "pydantic_settings", "schemas"}
    assert {module.partition(".")[0] for file in own for _, module in imported(file)} <= known


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """What is left when all that stands on nothing, and all on which nothing stands, is taken away, again and again."""
    left = {name: set(of) - {name} for name, of in graph.items()}
    while free := {
        name for name, of in left.items() if not of & left.keys() or not any(name in other for other in left.values())
    }:
        left = {name: of for name, of in left.items() if name not in free}
    return [[name, *sorted(of & left.keys())] for name, of in sorted(left.items())]


@pytest.mark.parametrize("room", ["models.recommender", "models.maintenance"])
def test_what_serves_does_not_import_its_training(room: str) -> None:
    for name, file in MODULES.items():
        if name.startswith(f"{room}") and not name.startswith(f"{room}.training"):
            assert not [module for _, module in imported(file) if ".training" in module or "compiler" in module]


@pytest.mark.long
def test_an_edge_worker_loads_no_library_that_trains() -> None:
    """The role as `millrace worker` builds it, in a process of its own."""
    code = (
        "import sys, streams.app, streams.recommend, streams.maintain, streams.serving, models.registry; "
        f"print([name for name in {TRAINS!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("room", sorted(ROOMS | set(HALLS)))
def test_a_door_says_what_its_room_is_for(room: str) -> None:
    """What it is for; the flow; what it may import."""
    text = ast.get_docstring(tree(MODULES[room])) or ""
    assert "─►" in text
    assert "May import:" in text


WORDS = {  # what a door may say instead of names, as the modules that are meant
    "the top of models": r"models\.\w+",
    "the two pages": r"streams\.(recommend|maintain)",
    "the rooms of streams below them": r"streams\.(catalogue|agent|kafka|metrics)",
    "every room of models": r"models\..*",
    "every room below millrace": r"(schemas|models|storage|notify|streams|api)\b.*",
    "every room": r".*",
    "pydantic": r"",
    "nothing": r"",
}


def may_import(room: str) -> str:
    """What its door says."""
    text = ast.get_docstring(tree(MODULES[room])) or ""
    return re.split(r"[;:.](?:\s|$)", text.partition("May import: ")[2])[0].replace("\n", " ")


@pytest.mark.parametrize("room", sorted((ROOMS | set(HALLS)) - {"migrations.versions"}))
def test_the_map_says_what_the_door_says(room: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    row = re.search(rf"^\| `{room.replace('.', '/')}/` \| .+ \| (.+) \|$", text, re.MULTILINE)
    assert row is not None, f"docs/architecture.md has no row of {room}"
    assert row.group(1) == may_import(room)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_what_its_door_says(room: str) -> None:
    allowed = [WORDS.get(part, re.escape(part)) for part in may_import(room).split(", ")]
    used = {
        module
        for name, file in MODULES.items()
        if room_of(name) == room
        for _, module in imported(file)
        if module in MODULES and room_of(module) != room
    }
    assert not [module for module in used if not any(re.fullmatch(pattern, module) for pattern in allowed)]


def test_all_packages_are_shipped() -> None:
    listed = re.search(
        r"^\[tool.setuptools\]\npackages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S
    )
    assert listed is not None
    packages = {name for name, file in MODULES.items() if file.name == "__init__.py"}
    assert set(re.findall(r'"(.*?)"', listed.group(1))) == packages - {"schemas.generated"}


def test_files_are_short() -> None:
    long = {name: n for name, file in MODULES.items() if (n := len(file.read_text().splitlines())) > MOST_LINES}
    assert not long
