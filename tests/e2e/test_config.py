"""test_config.py - drover config: what it prints is a project file that plans to nothing different, and faults are data"""

import glob
import itertools
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import TOP

DROVER = os.path.abspath(os.environ.get("DROVER", os.path.join(TOP, "build/drover")))
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DROVER_ACCEL": "tcg"}
FILES = sorted(glob.glob(f"{TOP}/examples/*/drover.yaml") + glob.glob(f"{TOP}/tests/config/pass-*.yaml") +
               glob.glob(f"{TOP}/tests/config/later-*.yaml"))
LAB = """\
name: lab
images: {debian: {file: ./a.qcow2}}
vms:
  web: {image: debian, memory: 1G}
  db: {image: debian, profiles: [data]}
  tool: {image: ./b.qcow2, profiles: [debug, data]}
"""


def drover(directory, *arguments, status=0, stdin=""):
    done = subprocess.run([DROVER, *arguments], cwd=directory, env=ENVIRONMENT, input=stdin, text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture
def lab(tmp_path):
    (tmp_path / "drover.yaml").write_text(LAB)
    (tmp_path / "a.qcow2").touch()
    (tmp_path / "b.qcow2").touch()
    return tmp_path


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """The examples and the files of tests/config, where other files may be written beside them."""
    directory = tmp_path_factory.mktemp("copies")
    shutil.copytree(f"{TOP}/examples", directory / "examples", ignore=shutil.ignore_patterns("guest"))
    shutil.copytree(f"{TOP}/tests/config", directory / "tests/config", ignore=shutil.ignore_patterns("fail-*", "multi"))
    for example in (directory / "examples").glob("*/drover.yaml"):
        (example.parent / "guest").mkdir()
        for file in "vmlinuz", "initrd.gz":
            (example.parent / "guest" / file).touch()
    return directory


def plan(directory, file, text):
    """The status of `plan` and its steps or errors, with directories of drover's own in which nothing is kept."""
    kept = {f"DROVER_{name}_DIR": str(directory / "kept" / name) for name in ("RUN", "DATA", "CACHE")}
    done = subprocess.run([DROVER, "-f", file, "plan", "--format", "json"], cwd=directory, input=text, text=True,
                          env={**ENVIRONMENT, **kept}, capture_output=True, timeout=60, check=False)
    steps = json.loads(done.stdout)["steps"] if done.returncode == 0 else sorted(re.findall("error: (.*)", done.stderr))
    return done.returncode, steps


@pytest.mark.parametrize("file", [pytest.param(path, id=os.path.relpath(path, TOP)) for path in FILES])
@pytest.mark.parametrize("form", ("yaml", "json"))
def test_round_trip(copies, file, form):
    """What is printed says the same, word for word, and gives the same hashes and the same plan."""
    path = copies / os.path.relpath(file, TOP)
    written = ("-f", path.name)
    first = drover(path.parent, *written, "config", "--format", form).stdout
    again = ("-f", "-")
    for view in ("config", "--format", form), ("config", "--hash"), ("config", "--images"), ("config", "--profiles"):
        assert drover(path.parent, *again, *view, stdin=first).stdout == drover(path.parent, *written, *view).stdout
    expected = plan(path.parent, path.name, "")
    assert expected[0] in (0, 3) and plan(path.parent, "-", first) == expected


def test_views(lab):
    assert drover(lab, "config", "--vms").stdout == "web\n"
    assert drover(lab, "config", "--profiles").stdout == "data\ndebug\n"
    assert drover(lab, "--profile", "debug", "config", "--vms").stdout == "web\ntool\n"
    images = drover(lab, "--profile", "*", "config", "--images").stdout.splitlines()
    assert len(images) == 2 and images[1].endswith("b.qcow2")
    quiet = drover(lab, "config", "-q")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_views_as_data(lab):
    """Each list is a document of that name; the lines say the same."""
    for name in "vms", "networks", "images", "profiles":
        lines = drover(lab, "--profile", "*", "config", f"--{name}").stdout.splitlines()
        document = json.loads(drover(lab, "--profile", "*", "config", f"--{name}", "--format", "json").stdout)
        assert lines and document == {"schema": 1, name: lines}
    hashes = json.loads(drover(lab, "config", "--hash", "--format", "json").stdout)["hashes"]
    assert [f"{row['name']} {row['hash']}" for row in hashes] == drover(lab, "config", "--hash").stdout.splitlines()


VIEWS = ("--quiet", "--vms", "--networks", "--images", "--profiles", "--hash", "--qemu", "--variables", "--origin")


def test_views_exclude_each_other(lab):
    """None is printed in silence in another one's place, whichever stands first."""
    def written(view):
        return (view, "web") if view == "--qemu" else (view,)

    for one, other in itertools.permutations(VIEWS, 2):
        done = drover(lab, "config", *written(one), *written(other), status=4)
        names = sorted((one, other), key=VIEWS.index)
        assert (done.stdout, done.stderr.splitlines()[0]) == \
            ("", f"error: {names[0]} and {names[1]} exclude each other: each says what is printed")
    for view in VIEWS[1:-1]:
        refused = drover(lab, "config", *written(view), "--format", "yaml", status=4).stderr
        assert refused.startswith(f"error: {view} and --format yaml exclude each other"), refused
    for view in (), ("--quiet",), ("--origin",):
        drover(lab, "config", *view, "--format", "yaml")


def test_hash(lab):
    """It changes with what the file says of the VM, however that is spelt, and with nothing else."""
    def hashes(old="", new=""):
        (lab / "drover.yaml").write_text(LAB.replace(old, new))
        return dict(line.split() for line in drover(lab, "--profile", "*", "config", "--hash").stdout.splitlines())

    first = hashes()
    assert set(first) == {"web", "db", "tool"} and all(len(value) == 64 for value in first.values())
    assert hashes("memory: 1G", "memory: 1024M") == first
    assert hashes("memory: 1G", "memory: 1G, cpus: 1") == first
    other = hashes("memory: 1G", "memory: 2G")
    assert other["web"] != first["web"] and other["db"] == first["db"]
    assert drover(lab, "config", "--hash", "web").stdout == f"web {other['web']}\n"
    assert "did you mean 'web'?" in drover(lab, "config", "--hash", "wbe", status=6).stderr


def test_faults_are_data(lab):
    """In place of the document, on standard output; what people read stays on standard error."""
    (lab / "drover.yaml").write_text("vms:\n  a: &a\n    memroy: 1G\n"
                                     "  b:\n    <<: *a\n    extends: c\n    cpus: 0\n  c: {mashine: q35}\n")
    done = drover(lab, "config", "--format", "json", status=3)
    document = json.loads(done.stdout)
    assert list(document) == ["schema", "diagnostics", "errors"] and document["schema"] == 1
    assert document["errors"] == len(document["diagnostics"]) == 3
    assert document["diagnostics"][0] == {
        "severity": "error", "text": "unknown key 'memroy' in vm 'a'", "id": "unknown-key", "file": "drover.yaml", "line": 3,
        "column": 5, "width": 6, "hint": "did you mean 'memory'?", "via": []}
    by_id = {item["id"]: item for item in document["diagnostics"]}
    assert all(f"{item['line']}:{item['column']}: error: {item['text']}" in done.stderr for item in document["diagnostics"])
    assert len(by_id) == 2, by_id
    assert json.loads(drover(lab, "plan", "--format", "json", status=3).stdout)["diagnostics"] == document["diagnostics"]
    assert json.loads(drover(lab, "config", "-q", "--format", "json", status=3).stdout) == document


def test_steps_are_data(lab):
    (lab / "base.yaml").write_text("vms:\n  server: {cpus: 9999}\n")
    (lab / "drover.yaml").write_text("vms:\n  a: {extends: {file: base.yaml, vm: server}}\n")
    fault, = json.loads(drover(lab, "config", "--format", "json", status=3).stdout)["diagnostics"]
    assert (fault["file"], fault["line"]) == ("base.yaml", 2)
    assert fault["via"][0]["text"] == "extended from vm 'server'" and fault["via"][0]["file"] == "drover.yaml"
    assert fault["via"][0]["line"] == 2


def test_notes_are_data(lab):
    """What is no error is in the document that only checks, which is there too when nothing is wrong."""
    assert json.loads(drover(lab, "config", "-q", "--format", "json").stdout) == {"schema": 1, "diagnostics": [], "errors": 0}
    (lab / "drover.yaml").write_text("vms: {a: {memory: 512}}\n")
    document = json.loads(drover(lab, "config", "-q", "--format", "json").stdout)
    assert [item["severity"] for item in document["diagnostics"]] == ["note"] and document["errors"] == 0
    assert "vms" in json.loads(drover(lab, "config", "--format", "json").stdout)


def test_unreadable_is_data(lab):
    (lab / "drover.yaml").write_bytes(b"vms: {}\n\xff\n")
    fault, = json.loads(drover(lab, "config", "--format", "json", status=3).stdout)["diagnostics"]
    assert fault["id"] == "unreadable" and "drover.yaml:2: a byte that is not UTF-8" in fault["text"]


def test_hundred_then_a_count(lab):
    (lab / "drover.yaml").write_text("vms:\n" + "".join(f"  v{i}: {{memroy: 1G}}\n" for i in range(250)))
    done = drover(lab, "config", "--format", "json", status=3)
    document = json.loads(done.stdout)
    assert len(document["diagnostics"]) == 100 and document["errors"] == 250
    assert done.stderr.count("error:") == 100 and "250 errors, of which the first 100 are shown" in done.stderr
