"""test_hostile.py - files that were made to harm: each ends soon and in 256 MiB, with a sentence or the right result"""

import os
import re
import resource
import subprocess
import threading

import pytest

from conftest import TOP

SECONDS = 3.0  # of the processor; a second where nothing else runs
MEMORY = 256 << 20
DROVER = os.path.abspath(os.environ.get("DROVER", os.path.join(TOP, "build/drover")))
MIB = 1 << 20


def aliases(steps, item="[*a{0},*a{0},*a{0},*a{0},*a{0},*a{0},*a{0},*a{0},*a{0}]"):
    return "x-a: &a0 [v]\n" + "".join(f"x-a{i}: &a{i} {item.format(i - 1)}\n" for i in range(1, steps))


def merges(steps):
    return "x-a: &a0 {k: v}\n" + "".join(f"x-a{i}: &a{i} {{k{i}: *a{i - 1}, <<: [*a{i - 1}]}}\n" for i in range(1, steps))


def doubling(steps, form="$v{0}$v{0}"):
    return "v0=xxxxxxxxxxxxxxxx\n" + "".join(f"v{i}={form.format(i - 1)}\n" for i in range(1, steps))


def vm(text):
    return f"vms: {{a: {{disk: 1G, labels: {{x: {text}}}}}}}\n"


# name -> drover.yaml, files beside it, what is said (None: nothing, it is fine)
TABLE = {
    "aliases-lists": lambda: (aliases(20), {}, "more than 4000000 values"),
    "aliases-of-vms": lambda: ("vms: &v\n  a: {labels: &l {x: y}}\n  b: *v\n", {}, "stands inside of '&v' itself"),
    "aliases-self": lambda: ("x-a: &a [*a]\nvms: {}\n", {}, "stands inside of '&a' itself"),
    "aliases-self-map": lambda: ("x-a: &a {b: *a}\nvms: {}\n", {}, "stands inside of '&a' itself"),
    "aliases-many": lambda: ("x-a: &a v\nx-b: [" + "*a," * 1000000 + "]\nvms: {}\n", {}, None),
    "anchors-many": lambda: ("x-b:\n" + "".join(f"- &a{i} v\n" for i in range(300000)) + "vms: {}\n", {}, None),
    "merge-self": lambda: ("vms:\n  a: &a\n    <<: *a\n", {}, "stands inside of '&a' itself"),
    "merge-bomb": lambda: (merges(60), {}, "more than"),
    "merge-list-bomb": lambda: ("x-a: &a {" + ",".join(f"k{i}: v" for i in range(1000)) +
                                "}\nx-b: {<<: [" + "*a," * 10000 + "]}\n",
                                {},
                        "more than"),
    "merge-wide": lambda: ("x-a: &a {" + ",".join(f"k{i}: v" for i in range(1000)) + "}\nvms:\n" +
                   "".join(f"  v{i}: {{labels: {{<<: *a}}}}\n" for i in range(5000)), {}, "more than"),
    "scalar-1-mib": lambda: (vm('"' + "y" * MIB + '"'), {}, None),
    "scalar-name": lambda: ("vms: {" + "y" * 200 + ": {}}\n", {}, "name"),
    "scalar-key": lambda: ("vms: {" + "y" * 1000 + ": {}}\n", {}, "longer than 255"),
    "scalar-key-1-mib": lambda: ("vms:\n  ? " + "y" * MIB + "\n  : {}\n", {}, "longer than"),
    "scalar-plain-16-mib": lambda: ("x-a: " + "y" * (16 * MIB - 100) + "\nvms: {}\n", {}, None),
    "scalar-block": lambda: ("x-a: |\n" + "  yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n" * 400000 + "vms: {}\n", {}, None),
    "scalar-number": lambda: ("vms: {a: {cpus: " + "9" * MIB + "}}\n", {}, "cpus"),
    "scalar-size": lambda: ("vms: {a: {memory: " + "9" * MIB + "G}}\n", {}, "memory"),
    "larger-than-16-mib": lambda: ("#" * (17 * MIB), {}, "larger than"),
    "nul": lambda: ("vms: {}\n\0", {}, "drover.yaml:2: a NUL byte"),
    "nul-escaped": lambda: (vm('"\\0"'), {}, "a text must not contain a NUL"),
    "control": lambda: ("vms: {a\x1b[31m: {}}\n", {}, "drover.yaml:1: a control character"),
    "control-escaped": lambda: ('vms: {"a\\e[31m": {}}\n', {}, "name"),
    "delete": lambda: ("vms: {a\x7f: {}}\n", {}, "a control character"),
    "latin-1": lambda: (b"vms: {}\n# \xe9\n", {}, "drover.yaml:2: a byte that is not UTF-8"),
    "utf-8-surrogate": lambda: (b"# \xed\xa0\x80\nvms: {}\n", {}, "drover.yaml:1: a byte that is not UTF-8"),
    "utf-8-overlong": lambda: (b"# \xc0\xaf\nvms: {}\n", {}, "drover.yaml:1: a byte that is not UTF-8"),
    "utf-8-cut-off": lambda: (b"vms: {}\n# \xe2\x82", {}, "drover.yaml:2: a byte that is not UTF-8"),
    "utf-16": lambda: ("vms: {}\n".encode("utf-16"), {}, "the text is UTF-16"),
    "a-million-keys": lambda: ("x-a:\n" + "".join(f"  k{i}:\n" for i in range(1000000)) + "vms: {}\n", {}, None),
    "a-million-keys-at-the-top": lambda: ("".join(f"k{i}:\n" for i in range(1000000)),
                                          {}, "1000000 errors, of which the first 100"),
    "a-million-vms": lambda: ("vms: {" + ",".join(f"v{i}: " for i in range(1000000)) + "}\n", {}, "100000"),
    "a-million-duplicates": lambda: ("x-a:\n" + "  k: v\n" * 1000000, {}, "999999 errors, of which the first 100"),
    "a-million-labels": lambda: ("vms: {a: {labels: {" + ",".join(f"k{i}: v" for i in range(1000000)) + "}}}\n", {}, None),
    "a-million-unknown-keys": lambda: ("vms: {a: {" + ",".join(f"k{i}: v" for i in range(1000000)) + "}}\n", {},
                                       "1000000 errors, of which the first 100"),
    "a-line-of-variables": lambda: ("vms: {a: {labels: {" + ",".join(f"k{i}: $x{i}" for i in range(700000)) + "}}}\n", {},
                                    "700000 errors, of which the first 100"),
    "faults-behind-a-long-line": lambda: ("vms: {a: {labels: {" + ",".join(f"k{i}: v" for i in range(1000000)) +
                                          ",k0: v" * 100 + "}}}\n", {}, "key 'k0' is here twice"),
    "deep-flow": lambda: ("x-a: " + "[" * 500000, {}, "more than 64 levels deep"),
    "deep-flow-maps": lambda: ("x-a: " + "{a: " * 500000, {}, "more than 64 levels deep"),
    "deep-flow-braces": lambda: ("x-a: " + "{" * 500000, {}, "more than 64 levels deep"),
    "deep-block": lambda: ("x-a:\n" + "".join(" " * i + "-\n" for i in range(1, 4000)), {}, "more than 64 levels deep"),
    "deep-block-maps": lambda: ("".join(" " * i + "x-a:\n" for i in range(4000)), {}, "more than 64 levels deep"),
    "deep-block-dashes": lambda: ("x-a:\n" + "- " * 500000 + "\n", {}, "more than 64 levels deep"),
    "deep-question-marks": lambda: ("? " * 500000 + "\n", {}, "more than 64 levels deep|map as a key|key"),
    "long-simple-keys": lambda: ("{" + "a" * 2000 + ": b\n", {}, "error"),
    "commas": lambda: ("x-a: [" + "," * 1000000 + "]\n", {}, "error"),
    "open-quote": lambda: ('x-a: "' + "y\n" * 1000000, {}, "quote"),
    "tabs": lambda: ("\t" * 1000000 + "vms: {}\n", {}, "error"),
    "documents": lambda: ("---\n" * 1000000, {}, "document"),
    "directives": lambda: ("%YAML 1.1\n" * 100000 + "---\nvms: {}\n", {}, "error"),
    "tags": lambda: ("x-a: [" + "!x v," * 500000 + "]\n", {}, "unknown tag"),
    "comment-lines": lambda: ("#\n" * 8000000 + "vms: {}\n", {}, None),
    "include-self": lambda: ("include: [drover.yaml]\nvms: {}\n", {}, "drover.yaml"),
    "include-cycle": lambda: ("include: [b.yaml]\n", {"b.yaml": "include: [c.yaml]\n", "c.yaml": "include: [b.yaml]\n"},
                      "b.yaml"),
    "include-by-other-paths": lambda: ("include: [./././drover.yaml]\n", {}, "drover.yaml"),
    "include-through-symlink": lambda: ("include: [link.yaml]\n", {"link.yaml": ("link", "drover.yaml")}, "drover.yaml"),
    "include-symlink-loop": lambda: ("include: [link.yaml]\n", {"link.yaml": ("link", "link.yaml")}, "symbolic links"),
    "include-fifo": lambda: ("include: [pipe]\n", {"pipe": ("fifo",)}, "pipe"),
    "include-zero": lambda: ("include: [/dev/zero]\n", {}, "/dev/zero"),
    "include-tty": lambda: ("include: [/dev/tty]\n", {}, "/dev/tty"),
    "include-directory": lambda: ("include: [sub]\n", {"sub": ("directory",)}, "directory"),
    "include-proc": lambda: ("include: [/proc/self/mem]\n", {}, "/proc/self/mem"),
    "include-bush": lambda: ("include: [f1.yaml, f1.yaml]\n",
                     {f"f{i}.yaml": f"include: [f{i + 1}.yaml, f{i + 1}.yaml]\n" for i in range(1, 30)} |
                             {"f30.yaml": "x-a:\n"},
                     None),
    "include-depth": lambda: ("include: [f1.yaml]\n",
                              {f"f{i}.yaml": f"include: [f{i + 1}.yaml]\n" for i in range(1, 50)}, "32|deep"),
    "extends-self": lambda: ("vms: {a: {extends: a}}\n", {}, "a"),
    "extends-cycle": lambda: ("vms: {a: {extends: b}, b: {extends: c}, c: {extends: a}}\n", {}, "'a'"),
    "extends-files": lambda: ("vms: {a: {extends: {file: b.yaml, vm: a}}}\n",
                      {"b.yaml": "vms: {a: {extends: {file: drover.yaml, vm: a}}}\n"}, "extends"),
    "extends-fifo": lambda: ("vms: {a: {extends: {file: pipe, vm: a}}}\n", {"pipe": ("fifo",)}, "pipe"),
    "extends-zero": lambda: ("vms: {a: {extends: {file: /dev/zero, vm: a}}}\n", {}, "/dev/zero"),
    "extends-chain": lambda: ("vms:\n  v0: {}\n" + "".join(f"  v{i}: {{extends: v{i - 1}}}\n" for i in range(1, 5000)),
                              {}, None),
    "extends-chain-upwards": lambda: ("vms:\n" + "".join(f"  v{i}: {{extends: v{i + 1}}}\n" for i in range(5000)) +
                                      "  v5000:\n", {}, None),
    "env-large": lambda: (vm("$A"), {".env": "A=" + "y" * (17 * MIB) + "\n"}, "larger than"),
    "env-lines": lambda: (vm("$A1"), {".env": "".join(f"A{i}=y\n" for i in range(1000000))}, "larger than"),
    "env-doubling": lambda: (vm("$v59"), {".env": doubling(60)}, "1 MiB|too|more than"),
    "env-doubling-braces": lambda: (vm("$v59"), {".env": doubling(60, "${{v{0}}}${{v{0}}}")}, "1 MiB|too|more than"),
    "env-self": lambda: (vm("$A"), {".env": "A=$A$A\n"}, "A"),
    "env-open-quote": lambda: (vm("$A"), {".env": "A='" + "y\n" * 500000}, "quote"),
    "env-suggestions": lambda: (vm("$ARGUMENT1"), {".env": "".join(f"ARGUMENT{i}=$PARAMETER{i}\n" for i in range(30000))},
                                "variable 'PARAMETER1' is not set"),
    "env-suggestions-for-many": lambda: ("vms: {a: {labels: {" + ",".join(f"k{i}: $B{i}" for i in range(5000)) + "}}}\n",
                                         {".env": "".join(f"ARGUMENT{i}=v\n" for i in range(5000))},
                                         "5000 errors, of which the first 100"),
    "env-fifo": lambda: (vm("$A"), {".env": ("fifo",)}, ".env"),
    "env-directory": lambda: (vm("$A"), {".env": ("directory",)}, "variable 'A' is not set"),
    "env-nul": lambda: (vm("$A"), {".env": "A=\0\n"}, "NUL"),
    "env-not-utf-8": lambda: (vm("$A"), {".env": b"A=\xff\n"}, "UTF-8"),
    "braces-nested": lambda: (vm('"' + "${A:-" * 100000 + "}" * 100000 + '"'), {}, "deep|nested"),
    "braces-open": lambda: (vm('"' + "${" * 100000 + '"'), {}, "error"),
    "dollars": lambda: (vm('"' + "$$" * 30000 + '"'), {}, None),
    "expansion": lambda: (vm('"' + "$A" * 1000 + '"'),
                          {".env": "A=" + "y" * 10000 + "\n"}, "more than 1048576 bytes with its variables"),
    "expansion-of-many": lambda: ("x-a:\n" + "".join(f"  - &a{i} $A\n" for i in range(20)) + "vms:\n" + "".join(
        f"  v{i}: {{labels: {{x: $A}}}}\n" for i in range(10000)), {".env": "A=" + "y" * 60000 + "\n"}, "MiB|longer"),
    "replicas-many": lambda: ("vms: {a: {disk: 1G, replicas: 1000000}}\n", {}, "replicas"),
    "replicas-of-many": lambda: ("vms:\n" + "".join(f"  v{i}: {{replicas: 1000, networks: []}}\n" for i in range(200)),
                                 {}, "100000"),
    "replicas-subnet": lambda: ("networks: {lan: {subnet: 10.0.0.0/30}}\n"
                                "vms: {a: {replicas: 50, networks: {lan: {ip: 10.0.0.2}}}}\n",
                                {},
                        "subnet|outside|10.0.0"),
    "regex": lambda: ('vms: {a: {healthcheck: {console: "' + "(" * 5000 + "a" + ")*" * 5000 + '"}}}\n', {}, "console"),
    "no-names": lambda: ('vms: {"../../etc": {}, "-a": {}, "": {}}\n', {}, "name"),
}


def put(directory, name, what):
    path = os.path.join(directory, name)
    if what == ("fifo",):
        os.mkfifo(path)
    elif what == ("directory",):
        os.mkdir(path)
    elif isinstance(what, tuple):
        os.symlink(what[1], path)
    else:
        with open(path, "wb") as file:
            file.write(what if isinstance(what, bytes) else what.encode())


def run(directory):
    """Runs `config -q`; returns its status, what it said, and how many seconds of the processor it took."""
    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))

    with open(os.path.join(directory, "said"), "w+b") as said:
        child = subprocess.Popen([DROVER, "config", "-q"], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=said, preexec_fn=limit, env={"PATH": os.environ["PATH"]})
        watch = threading.Timer(60, child.kill)
        watch.start()
        _, status, usage = os.wait4(child.pid, 0)
        watch.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return child.returncode, said.read().decode(), usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", TABLE)
def test_hostile(tmp_path, name):
    """The time is that of the processor, since other tests run beside this one. Without memory drover ends with status 1."""
    text, beside, expected = TABLE[name]()
    put(tmp_path, "drover.yaml", text)
    for other, what in beside.items():
        put(tmp_path, other, what)
    status, said, seconds = run(tmp_path)
    assert seconds < SECONDS, f"{seconds:.2f} s\n{said[:2000]}"
    assert len(said) < 100000 and not re.search("[\0-\x09\x0b-\x1f\x7f]", said)
    if expected is None:
        assert (status, said) == (0, ""), said[:2000]
    else:
        assert status == 3 and re.search(expected, said), (status, said[:2000])
