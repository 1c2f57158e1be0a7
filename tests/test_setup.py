"""What holds the project together: its pins, its Makefile, the direction of its imports."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("storage", "archiver", "spiders")

SCRAPY_HOMES = ("archiver/crawl/", "archiver/settings.py", "spiders/")
HOMES = {
    "warcio": ("storage/",),
    "boto3": ("storage/s3.py",),
    "botocore": ("storage/s3.py",),
    "trafilatura": ("archiver/page/body.py",),
    "feedparser": ("archiver/crawl/discovery/feeds.py",),
    "markdown_it": ("archiver/page/safe_html.py",),
    "prometheus_client": ("archiver/crawl/metrics.py",),
    "scrapy": SCRAPY_HOMES,
    "twisted": SCRAPY_HOMES,
}
"""Where each library may be imported."""

FORBIDDEN = {"storage": {"archiver", "spiders", "scrapy", "twisted"}, "archiver": {"spiders"}, "spiders": set()}
"""What no module of a package imports: floors look down only."""


def constraints() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in pins}


def direct_dependencies() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    return [Requirement(line) for line in [*project["dependencies"], *extras.get("dev", [])]]


@pytest.mark.parametrize("requirement", direct_dependencies(), ids=lambda requirement: requirement.name)
def test_constraints_satisfy_every_direct_dependency(requirement: Requirement) -> None:
    assert requirement.specifier.contains(constraints()[canonicalize_name(requirement.name)])


def test_constraints_pin_what_the_dependencies_need_in_turn() -> None:
    pinned = constraints()
    waiting, seen = [(one.name, frozenset(one.extras)) for one in direct_dependencies()], set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            needs = [Requirement(line) for line in requires(name) or ()]
        except PackageNotFoundError:
            continue
        waiting += [
            (need.name, frozenset(need.extras))
            for need in needs
            if not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
        ]
    needed = {canonicalize_name(name) for name, _ in seen} - {"setuptools", "article-archiver"}
    assert needed - pinned.keys() == set()


@pytest.mark.parametrize("file", ["constraints.txt", "tests/replay/requirements.txt"])
def test_pins_are_exact_and_nothing_else(file: str) -> None:
    for line in (ROOT / file).read_text().splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def files_of_the_repository() -> Iterator[Path]:
    ignored = {line.strip("/\n") for line in (ROOT / ".gitignore").read_text().splitlines()}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders if name not in ignored and name != ".git" and not name.endswith(".egg-info")
        ]
        yield from (Path(folder, name) for name in names)


def test_no_file_names_a_package_index() -> None:
    # Written so that these lines do not find themselves.
    index = re.compile(
        r"py[p]i\.org|py[t]honhosted|registry\.npm[j]s|--(extra-)?inde[x]-url|--find-link[s]|--trusted-hos[t]"
    )
    naming = [file for file in files_of_the_repository() if index.search(file.read_text("utf-8", errors="replace"))]
    assert naming == []


def test_scrapy_finds_the_settings() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "scrapy.cfg")
    assert config["settings"]["default"] == "archiver.settings"
    assert config["deploy"]["project"] == "archiver"


def modules() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def imported(file: Path) -> set[str]:
    """The top-level packages that ``file`` imports anywhere in its code."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"), str(file))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names


def test_imports_are_seen_wherever_they_stand(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("import a.b as c\nfrom d.e import f\nfrom . import g\ndef h():\n    if h:\n        import i, j\n")
    assert imported(module) == {"a", "d", "i", "j"}


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_down_and_each_library_stays_in_its_home(file: Path) -> None:
    place = file.relative_to(ROOT).as_posix()
    names = imported(file)
    assert names & FORBIDDEN[place.split("/")[0]] == set()
    assert [name for name in names & HOMES.keys() if not place.startswith(HOMES[name])] == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory where everything is set up already, with an ``archiver`` that says what it was asked for."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    program = tmp_path / ".venv" / "bin" / "archiver"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    for name in ("bin/pip", ".ready", ".ready-dev"):
        (tmp_path / ".venv" / name).touch()
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if name not in ("URL", "MAKEFLAGS", "MAKELEVEL", "PYTHON")
    }
    return subprocess.run(["make", *arguments], cwd=checkout, env=clean, capture_output=True, text=True, timeout=60)


def test_make_alone_lists_what_it_can_do(checkout: Path) -> None:
    printed = make(checkout).stdout
    for target in ("demo", "save URL=", "test", "check", "bench", "clean"):
        assert f"make {target}" in printed


def test_make_save_without_a_url_says_how_to_use_it(checkout: Path) -> None:
    done = make(checkout, "save")
    assert done.returncode == 2
    assert "make save URL=" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/story?a=1&b=2#top",
        "https://example.com/it's;a $(HOME) 100%",
        "https://127.0.0.1@example.com/",
        "https://example.com/?next=http://127.0.0.1/",
        "http://127.0.0.1.example.com/",
    ],
)
def test_make_save_hands_on_the_url_as_typed(checkout: Path, url: str) -> None:
    assert make(checkout, "save", f"URL={url}").stdout.splitlines() == ["save", url]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/a?b",
        "http://localhost",
        "https://localhost/",
        "http://[::1]:80/a",
        "http://a:b@127.0.0.1/",
    ],
)
def test_make_save_may_reach_this_machine_when_asked_to(checkout: Path, url: str) -> None:
    assert make(checkout, "save", f"URL={url}").stdout.splitlines() == ["save", "--allow-private", url]


def test_an_old_python_is_named_and_refused(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    old = checkout / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    done = make(checkout, "demo", f"PYTHON={old}")
    assert done.returncode == 2
    assert "Python 3.9.2; 3.11 or newer is needed" in done.stderr
    assert not (checkout / ".venv").exists()
