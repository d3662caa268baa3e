"""test_files.py - projects of several files on the command line: -f, standard input, overrides, origins, and hostile files"""

import json
import os
import resource
import subprocess
import time

import pytest

SECONDS, BYTES = 5, 256 << 20  # the time is bounded well above what it should be, for slow machines


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


class Project:
    def __init__(self, directory):
        self.directory = directory

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def drover(self, *arguments, status=0, stdin="", limit=None):
        def bound():
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        done = subprocess.run([os.environ["DROVER"], *arguments], cwd=self.directory, input=stdin, capture_output=True,
                              text=True, timeout=60, preexec_fn=bound if limit else None)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def vm(self, name, *arguments, **options):
        return json.loads(self.drover(*arguments, "config", "--format", "json", **options).stdout)["vms"][name]


def test_several(project):
    """-f is repeated, in its order; standard input is one of them; alone it takes the current directory."""
    project.write("one.yaml", "vms: {web: {memory: 1G, cpus: 2}}\n")
    project.write("two.yaml", "vms: {web: {memory: 2G}}\n")
    assert project.vm("web", "-f", "one.yaml", "-f", "two.yaml")["memory"] == "2G"
    assert project.vm("web", "-f", "two.yaml", "-f", "one.yaml")["memory"] == "1G"
    vm = project.vm("web", "-f", "one.yaml", "-f", "-", stdin="vms: {web: {memory: 3G, boot: {kernel: ./one.yaml}}}\n")
    assert (vm["memory"], vm["cpus"]) == ("3G", 2)
    assert vm["boot"]["kernel"] == str(project.directory / "one.yaml")


def test_override(project):
    """The override is found beside the file, also from below; -f leaves it out."""
    project.write("drover.yaml", "vms: {web: {memory: 1G}}\n")
    project.write("drover.override.yaml", "vms: {web: {memory: 2G}}\n")
    project.write("below/x", "")
    assert project.vm("web")["memory"] == "2G"
    assert project.vm("web", "-f", "drover.yaml")["memory"] == "1G"
    project.directory = project.directory / "below"
    assert project.vm("web")["memory"] == "2G"


def test_error_says_how(project):
    """An error in a value from elsewhere stands in the file where it is written, and says how it got there."""
    project.write("drover.yaml", "vms:\n  web:\n    extends: {file: base.yaml, vm: server}\n")
    project.write("base.yaml", "vms:\n  server:\n    memory: 1 GB\n")
    err = project.drover("config", "-q", status=3).stderr
    assert err.startswith("base.yaml:3:13: error: memory of vm 'web': ")
    assert err.endswith("\n      = extended from vm 'server' at drover.yaml:3\n")


def test_usage(project):
    """What is wrong with -f itself is a wrong command line; a file that is not there is not found."""
    project.write("a.yaml", "vms: {}\n")
    assert "named twice" in project.drover("-f", "a.yaml", "-f", "./a.yaml", "config", status=4).stderr
    assert "standard input is named twice" in project.drover("-f", "-", "-f", "-", "config", status=4).stderr
    assert "cannot open 'b.yaml'" in project.drover("-f", "a.yaml", "-f", "b.yaml", "config", status=6).stderr


def test_origin(project):
    """--origin prints a project file that means the same, and as JSON the place of each value."""
    project.write("drover.yaml", "include: [\"a\\nb.yaml\"]\nvms:\n  web: {extends: server, labels: {x: 'a # b'}}\n")
    project.write("a\nb.yaml", "vms: {server: {memory: 1G, disks: [{size: 1G}], labels: {}}}\n")
    plain = project.drover("config").stdout
    noted = project.drover("config", "--origin").stdout
    assert project.drover("-f", "-", "config", stdin=noted).stdout == plain
    lines = [line.split("# ")[-1] for line in noted.splitlines() if "memory: 1G" in line]
    assert lines == ["a\\x0ab.yaml:1", "a\\x0ab.yaml:1, extended from vm 'server' at drover.yaml:3"]
    assert "# -p" in project.drover("-p", "other", "config", "--origin").stdout.splitlines()[0]
    document = json.loads(project.drover("config", "--origin", "--format", "json").stdout)
    assert document["schema"] == 1
    values = {value["path"]: value for value in document["origins"]}
    assert values["vms.web.memory"] == {
        "path": "vms.web.memory", "value": "1G", "default": False, "file": "a\nb.yaml", "line": 1, "column": 24,
        "via": [{"text": "extended from vm 'server'", "file": "drover.yaml", "line": 3}]}
    assert values["vms.web.cpus"] == {"path": "vms.web.cpus", "value": 1, "default": True}


HOSTILE = {
    "fifo": ("include: [fifo]\n", "is not a regular file"),
    "device": ("include: [/dev/zero]\n", "is not a regular file"),
    "directory": ("include: [.]\n", "is a directory"),
    "self": ("include: [drover.yaml]\n", "in a circle: drover.yaml:1 -> drover.yaml"),
    "link": ("include: [link.yaml]\n", "in a circle: drover.yaml:1 -> drover.yaml"),
    "loop": ("include: [loop.yaml]\n", "Too many levels of symbolic links"),
    "extends-self": ("vms: {a: {extends: {file: link.yaml, vm: a}}}\n", "'a' (drover.yaml:1) -> 'a'"),
    "thousands": ("include: [%s]\n" % ", ".join(f"n{i}.yaml" for i in range(5000)), "more than 1000 files"),
    "chain": ("vms:\n" + "".join(f"  v{i}: {{extends: v{i + 1}, labels: {{l{i}: x}}}}\n" for i in range(10000)) +
              "  v10000:\n", "more than 4000000 values"),
    "circle": ("vms:\n" + "".join(f"  v{i}: {{extends: v{(i + 1) % 10000}}}\n" for i in range(10000)), "in a circle: 'v0'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(project, name):
    """Ends at once, in little memory, and says what is wrong."""
    text, expected = HOSTILE[name]
    project.write("drover.yaml", text)
    os.mkfifo(project.directory / "fifo")
    (project.directory / "link.yaml").symlink_to("drover.yaml")
    (project.directory / "loop.yaml").symlink_to("loop.yaml")
    if name == "thousands":
        for i in range(1100):
            project.write(f"n{i}.yaml", f"vms: {{v{i}: }}\n")
    start = time.monotonic()
    done = project.drover("config", "-q", status=3, limit=BYTES)
    assert time.monotonic() - start < SECONDS
    assert expected in done.stderr, done.stderr


def test_hostile_input(project):
    """Standard input without an end is read up to the limit."""
    with open("/dev/zero", "rb") as zero:
        done = subprocess.run([os.environ["DROVER"], "-f", "-", "config"], stdin=zero, capture_output=True, timeout=SECONDS,
                              cwd=project.directory, check=False)
    assert done.returncode == 3 and b"is larger than" in done.stderr, done
