"""test_docs.py - what README.md and drover.yaml(5) say: every file in them plans, the five minutes print what README shows"""

import json
import os
import re
import subprocess

import pytest

from conftest import TOP
from host import command

# What the files in the texts refer to; images and disks have to be what their names say.
FILE = re.compile(r"(?:image|file|kernel|initrd|user_data): (\./[\w./-]+)")


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def fenced(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", read("README.md"), re.MULTILINE | re.DOTALL)


def displays():
    """The project files in the manual page, each with the files beside it: the displays before it that a comment names."""
    pattern = r'^(?:\.\\" (no project file|file: \S+)\n)?^\.Bd -literal.*?\n(.*?)^\.Ed$'
    beside, found = {}, []
    for name, text in re.findall(pattern, read("man", "drover.yaml.5.in"), re.MULTILINE | re.DOTALL):
        text = text.replace("\\e", "\\")
        if name.startswith("file: "):
            beside[name[len("file: "):]] = text
        elif not name:
            found.append((text, beside))
            beside = {}
    return found


def values(document):
    """All (key, value) of a document, with dollars as they are meant."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(value, (dict, list)):
            yield from values(value)
        else:
            yield key, str(value).replace("$$", "$")


def transcript():
    """(command, lines that it prints) of README, without what is typed into a guest."""
    steps = []
    for line in "".join(fenced("console")).splitlines():
        if line.startswith("$ drover "):
            steps.append((line[len("$ drover "):].split(), []))
        else:
            steps[-1][1].append(line)
    return steps


def make_files(lab, text):
    for path in set(FILE.findall(text)):
        path = os.path.join(lab.directory, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if path.endswith(".qcow2"):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1G"], check=True)
        else:
            with open(path, "wb") as file:
                file.truncate(1 << 20)


BLOCKS = [("readme", text, {}) for text in fenced("yaml")] + [(f"manual-{i}", *pair) for i, pair in enumerate(displays())]


@pytest.mark.parametrize("text,beside", [pytest.param(text, beside, id=name) for name, text, beside in BLOCKS])
def test_file_plans(world, text, beside):
    """Every file loads; it plans, or, where it shows what is not built yet, is refused at those keys and for nothing else.

    "# is VALUE" behind a value says what it is in the end.
    """
    namespace = world.namespace()
    namespace.run("ip", "link", "add", "br0", "type", "bridge")
    lab = world.lab("", namespace=namespace)
    lab.write(text, header=False)
    for name, content in beside.items():
        with open(os.path.join(lab.directory, name), "w", encoding="utf-8") as file:
            file.write(content)
    make_files(lab, text)
    promised = re.findall(r"^ *([\w-]+): .*# is (.*)$", text, re.MULTILINE)
    assert set(promised) <= set(values(json.loads(lab.drover("config", "--format", "json").out)))
    assert bool(promised) == bool(beside)
    quiet = lab.drover("config", "-q")
    assert (quiet.out, quiet.err) == ("", "")
    if "autostart:" not in text:
        assert "plan: " in lab.drover("-p", lab.name, "plan", "--exit-code", status=2).out
    else:
        errors = re.findall(r"error: (.*)", lab.drover("-p", lab.name, "plan", status=3).err)
        assert errors and all("not supported yet" in error for error in errors), errors
    namespace.run("ip", "link", "delete", "br0")


def test_texts_have_files():
    """Guards the two patterns above: a text that no longer matches would make the tests empty."""
    assert len(fenced("yaml")) == 1 and len(displays()) >= 6
    assert len(transcript()) >= 9


def normalise(lines):
    """Steps run at the same time, so that their order and times differ; so do uptimes. Only on terminals is anything asked."""
    return sorted(re.sub(r" +", " ", re.sub(r" \(\d+\.\ds\)|\b(\d+m)?\d+s\b", "", line)).strip() for line in lines
                  if not line.endswith("? [y/N] y"))


def test_five_minutes(world):
    """The commands of README, in their order, print what README shows; its file has at most 15 lines."""
    text = fenced("yaml")[0]
    assert len(text.splitlines()) <= 15
    lab = world.lab("", project="first" + world.token)
    text = text.replace("name: first", f"name: {lab.name}").replace("./guest/", f"{world.programs.guest}/")
    lab.write(text, header=False)
    for arguments, expected in transcript():
        if arguments[0] == "console":
            assert any(line == "guest# wget -qO- http://web/" for line in expected) and "hello from web" in expected
            lab.console("web").ready()
            lab.console("client").ready()
            assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
            continue
        if arguments == ["plan"]:
            lab.replace("memory: 128M", "memory: 192M")
        if "memroy" in "".join(expected):
            lab.replace("memory: 192M", "memroy: 128M")
        done = lab.drover(*arguments, *(["-y"] if "-v" in arguments else []), status=None)
        assert normalise((done.out + done.err).splitlines()) == normalise(expected), str(done)


def test_setup_installs_what_is_linked():
    """setup.sh installs the headers of just those libraries that the Makefile links, or that are loaded later."""
    libraries = " ".join(re.findall(r"^(?:PACKAGES|LAZY) +:= ([^#\n]*)", read("Makefile"), re.MULTILINE)).split()
    build = re.search(r'^build="([^"]*)"', read("tests", "setup.sh"), re.MULTILINE).group(1).split()
    owners = set()
    for library in libraries:
        path = command("pkg-config", "--variable=pcfiledir", library).strip()
        owners.add(command("dpkg", "-S", f"{path}/{library}.pc").split(":", 1)[0])
    assert {name for name in build if name.startswith("lib") and name.endswith("-dev")} - {"libc6-dev"} == owners
