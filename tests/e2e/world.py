"""world.py - a test's own corner of the host (World) and the projects in it (Lab)"""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile

import pytest

import host
from guest import Console, shell

GUEST = """\
name: {name}
isolation: {isolation}
x-guest: &guest
  memory: 128M
  boot: {{kernel: {guest}/vmlinuz, initrd: {guest}/initrd.gz, cmdline: "console=ttyS0 quiet no_timer_check"}}
x-fake: &fake
  memory: 64M
"""


class Result:
    """One command as it ended."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"$ {' '.join(self.argv)}\nstatus {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class World:
    def __init__(self, programs):
        self.programs = programs
        self.token = "t" + secrets.token_hex(3)
        self.directory = tempfile.mkdtemp(prefix=f"drover-{self.token}.", dir="/tmp")  # no lab's name is in it
        os.chmod(self.directory, 0o711)  # QEMU's user passes through
        self.labs, self.closers, self.children = [], [], []
        self.ignore = set()  # namespaces and processes that the harness made itself

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def make_directory(self, *parts, mode=0o755):
        path = self.path(*parts)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        return path

    def boot(self, words):
        """The key `boot` of a guest with more words on its kernel's command line."""
        guest = self.programs.guest
        words = f"console=ttyS0 quiet no_timer_check {words}"
        return f'boot: {{kernel: {guest}/vmlinuz, initrd: {guest}/initrd.gz, cmdline: "{words}"}}'

    def lab(self, text, name="a", **options):
        lab = Lab(self, name, **options)
        self.labs.append(lab)
        lab.write(text)
        return lab

    def namespace(self, name="n"):
        namespace = host.Namespace(f"{self.token}-{name}")
        self.closers.append(namespace.close)
        self.ignore.add(namespace.name)
        return namespace

    def devices(self, kvm_group=None):
        if kvm_group is not None and not os.path.exists("/dev/kvm"):
            pytest.skip("there is no /dev/kvm to put another node over")
        devices = host.Devices(self.path("devices"), kvm_group)
        self.closers.append(devices.close)
        self.ignore.add(devices.holder.pid)
        return devices

    def user(self):
        user = host.User(f"drover-{self.token}", self.make_directory("home", mode=0o711))
        self.closers.append(user.close)
        user.own(self.path("home"))
        return user

    def serve(self, argv):
        """Starts a server that says `ready` once it answers, and ends when its input does. Returns a function that ends it."""
        server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def end():
            server.stdin.close()
            server.wait(10)
            server.stdout.close()

        self.closers.append(end)
        self.ignore.add(server.pid)
        assert server.stdout.readline() == "ready\n", f"{argv} does not answer"
        return end

    def close(self):
        """Takes all down; returns what was left, as lines, and removes that too."""
        complaints = []
        for child in self.children:
            if child.poll() is None:
                complaints.append(f"still running: {child.args}")
                child.kill()
            child.communicate()
        for lab in reversed(self.labs):
            complaints += lab.remove()
        complaints += host.leftovers(self.token, self.ignore)
        for closer in reversed(self.closers):
            try:
                complaints += closer() or []
            except (AssertionError, OSError, subprocess.SubprocessError) as reason:
                complaints.append(f"cannot clean up: {reason}")
        host.sweep_away(self.token)
        shutil.rmtree(self.directory)
        return complaints


class Lab:
    """A project: its directory, its file, and drover in it.

    namespace: the test's network namespace that is the host here; isolation is `host` then. fake: fake-qemu instead of QEMU.
    prefix: an argument vector before drover's own (other user, other mount namespace).
    """

    def __init__(self, world, name, namespace=None, fake=False, prefix=(), environment=None, roots=None, isolation=None,
                 project=None):
        self.world = world
        self.name = project or f"{world.token}-{name}"
        self.directory = world.make_directory(f"dir-{name}")
        self.file = os.path.join(self.directory, "drover.yaml")
        self.isolation = isolation or ("host" if namespace else "private")
        self.prefix = (namespace.prefix if namespace else []) + list(prefix)
        self.roots = roots or {kind: world.path(kind) for kind in ("run", "data", "cache")}
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": world.directory, "LC_ALL": "C.UTF-8", "TERM": "dumb", "DROVER_ACCEL": "tcg",
            **{f"DROVER_{kind.upper()}_DIR": path for kind, path in self.roots.items()},
            **({"DROVER_QEMU": world.programs.fake_qemu} if fake else {}),
            **{key: value for key, value in os.environ.items() if key.startswith(("ASAN_", "UBSAN_"))},
            **(environment or {}),
        }
        self.consoles = {}

    def write(self, text, header=True):
        """Writes the project file, with name, isolation and the anchors *guest and *fake before the text."""
        top = GUEST.format(name=self.name, isolation=self.isolation, guest=self.world.programs.guest) if header else ""
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(top + text)

    def replace(self, old, new):
        """Edits the project file."""
        with open(self.file, encoding="utf-8") as file:
            text = file.read()
        assert old in text, f"'{old}' is not in {self.file}"
        self.write(text.replace(old, new), header=False)

    @property
    def data(self):
        return os.path.join(self.roots["data"], self.name)

    @property
    def run_directory(self):
        return os.path.join(self.roots["run"], self.name)

    def argv(self, *arguments, cwd=None, wrap=()):
        """The command line; entering a mount namespace changes the directory, so it is set again behind the prefix."""
        return [*self.prefix, "env", "-C", cwd or self.directory, *wrap, self.world.programs.drover, *arguments]

    def drover(self, *arguments, status=0, timeout=150, cwd=None, environment=None, stdin=None, wrap=()):
        """Runs drover to its end and checks the exit status (None: any)."""
        argv = self.argv(*arguments, cwd=cwd, wrap=wrap)
        done = subprocess.run(argv, cwd=cwd or self.directory, env={**self.environment, **(environment or {})}, input=stdin,
                              stdin=subprocess.DEVNULL if stdin is None else None, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout)
        result = Result(argv, done.returncode, done.stdout, done.stderr)
        assert status is None or done.returncode == status, f"expected status {status}:\n{result}"
        return result

    def begin(self, *arguments, stdin=subprocess.DEVNULL, wrap=()):
        """Starts drover and returns the process; it has to end before the test does."""
        child = subprocess.Popen(self.argv(*arguments, wrap=wrap), cwd=self.directory, env=self.environment, stdin=stdin,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.world.children.append(child)
        return child

    def vms(self):
        """What `ps` says, by name."""
        return {vm["name"]: vm for vm in self.drover("ps", "-a", "--format", "json").json()["vms"]}

    def states(self):
        return {name: vm["state"] for name, vm in self.vms().items()}

    def pids(self):
        return {name: vm["pid"] for name, vm in self.vms().items()}

    def plan(self, *arguments):
        return self.drover("plan", "--format", "json", *arguments).json()

    def assert_satisfied(self):
        """The host is as the file says."""
        self.drover("plan", "--exit-code", status=0)

    def vm_data(self, vm, *parts):
        return os.path.join(self.data, "vms", vm, *parts)

    def spec(self, vm):
        with open(self.vm_data(vm, "spec.json"), encoding="utf-8") as file:
            return json.load(file)

    def console(self, vm):
        """The VM's console, read on from where the test read last."""
        return self.consoles.setdefault(vm, Console(self, vm))

    def shell(self, vm, text, timeout=30):
        """Runs a command on the guest's console shell; returns what it printed."""
        return shell(os.path.join(self.run_directory, "vms", vm, "console.sock"), text, timeout)

    def dnsmasq(self):
        """The pids of this project's dnsmasq."""
        found = host.processes(os.path.join(self.data, "dnsmasq"))
        return [pid for pid, arguments in found.items() if "dnsmasq" in arguments.split(" ")[0]]

    def dnsmasq_config(self):
        directory = os.path.join(self.data, "dnsmasq")
        name, = (name for name in os.listdir(directory) if name.endswith(".conf"))
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return file.read()

    def supervisors(self):
        """The pids of this project's supervisor."""
        return [pid for pid, arguments in host.processes(self.data).items() if f"supervise {self.name} " in arguments]

    def netns(self):
        """Named namespaces of this project."""
        return [name for name in host.named_namespaces() if name == f"drover-{self.name}"]

    def links(self):
        """Links in the project's own namespace (as root, private), by name, without lo."""
        return {link["ifname"]: link for link in host.links(f"drover-{self.name}") if link["ifname"] != "lo"}

    def bridge(self, network):
        """The bridge of a network, in the project's own namespace."""
        return next((link for link in self.links().values()
                     if link.get("ifalias") == f"drover:{self.name}/{network}"), None)

    def uplinks(self):
        """The pids and programs of an ordinary user's uplink, which is known by a MAC alone."""
        digest = hashlib.sha256(f"drover uplink {self.name} {self.data}".encode()).hexdigest()
        mac = ":".join(["02", *(digest[i:i + 2] for i in range(0, 10, 2))])
        return {pid: os.path.basename(arguments.split(" ")[0]) for pid, arguments in host.processes(f"={mac}").items()}

    def leftovers(self, files=False):
        """What of this project is on the host; with files, also its run and data directories."""
        directories = [path for path in (self.run_directory, self.data) if os.path.exists(path)]
        ways = [f"uplink {pid}: {program}" for pid, program in self.uplinks().items()]
        ways += host.leftovers(self.name, self.world.ignore)
        return ways + ([f"directory {path}" for path in directories] if files else [])

    def remove(self):
        """down -v, without the project's file; returns complaints as lines."""
        if not os.path.exists(self.data) and not self.leftovers():
            return []
        empty = self.world.make_directory("empty")
        try:
            done = self.drover("-p", self.name, "down", "-v", "-y", "-t", "0", status=None, cwd=empty)
        except subprocess.TimeoutExpired as reason:
            return [str(reason)]
        return ([str(done)] if done.status else []) + self.leftovers(files=True)
