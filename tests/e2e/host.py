"""host.py - what a test leaves on the host: processes, links, namespaces, nftables, mounts; and namespaces of a test's own

A test owns a token, which is part of every name that it makes (directory, projects, namespaces). Whatever carries the token
is the test's; nothing else is ever looked at twice, let alone touched.
"""

import json
import os
import select
import signal
import subprocess
import time

LINK_GROUP = 0x64726f76  # network/lab.h: LAB_LINK_GROUP


def command(*argv, check=True, timeout=60, **options):
    """Runs a program of the host; returns its standard output."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: status {done.returncode}: {done.stderr}")
    return done.stdout


def wait_until(condition, what, timeout=30):
    """Waits for what gives no event of its own; returns the first true value of `condition`."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {timeout} s, still not: {what}")
        time.sleep(0.02)


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def links_in(pid, folder):
    """The links in a folder of /proc/PID: {name: what it leads to}. One that goes meanwhile is not there."""
    found = {}
    try:
        for name in os.listdir(f"/proc/{pid}/{folder}"):
            try:
                found[name] = os.readlink(f"/proc/{pid}/{folder}/{name}")
            except OSError:
                pass
    except OSError:
        pass
    return found


def _links_of(pid):
    for folder in ("fd", "ns"):
        yield from links_in(pid, folder).values()
    try:
        yield os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        pass


def processes(token, namespaces=()):
    """Living processes with the token in their arguments or in an open file, or in one of these network namespaces.

    Returns {pid: command line}; never this process. Zombies have neither arguments nor files.
    """
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        arguments = _read(f"/proc/{name}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
        if token in arguments or any(token in link or link in namespaces for link in _links_of(name)):
            state = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()
            if state and state[0] not in (b"Z", b"X"):
                found[int(name)] = arguments
    return found


def inotify_watches(pid):
    """How many files and directories a process watches: whoever waits for an event sleeps there."""
    folder = f"/proc/{pid}/fdinfo"
    try:
        return sum(_read(f"{folder}/{name}").count(b"inotify wd:") for name in os.listdir(folder))
    except FileNotFoundError:
        return 0


def cpu_seconds(pid):
    """How long a process has run on a CPU; 0 for one that is gone."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0


def end_process(pid, number=signal.SIGKILL, timeout=10):
    """Ends a process and waits until it is gone; the caller knows that it is the test's own."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(fd, number)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(timeout * 1000), f"process {pid} does not end on signal {number}"
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def links(namespace=None):
    prefix = ("ip", "-n", namespace) if namespace else ("ip",)
    return json.loads(command(*prefix, "-json", "-details", "link", "show") or "[]")


def named_namespaces():
    try:
        return sorted(os.listdir("/run/netns"))
    except FileNotFoundError:
        return []


def leftovers(token, ignore=(), patience=3):
    """What carries the token on this host, as lines, but for pids and namespaces in `ignore`; empty when nothing does.

    A process that was told to end may need a moment for it.
    """
    end = time.monotonic() + patience
    while True:
        left = _leftovers(token, ignore)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def _leftovers(token, ignore):
    left = [f"process {pid}: {arguments[:200]}" for pid, arguments in processes(token).items() if pid not in ignore]
    left += [f"namespace {name}" for name in named_namespaces() if token in name and name not in ignore]
    left += [f"link {link['ifname']} ({link.get('ifalias')})" for link in links()
             if token in link.get("ifalias", "") or (link.get("group") == str(LINK_GROUP) and not link.get("ifalias"))]
    left += [f"nftables: {line}" for line in command("nft", "list", "tables").splitlines() if token in line]
    left += [f"mount: {line}" for line in _read("/proc/self/mounts").decode().splitlines()
             if token in line and not any(str(name) in line for name in ignore)]
    return left


def sweep_away(token):
    """After a failed test: removes what carries its token."""
    for pid in processes(token):
        end_process(pid)
    for name in named_namespaces():
        if token in name:
            command("ip", "netns", "delete", name, check=False)
    for link in links():
        if token in link.get("ifalias", ""):
            command("ip", "link", "delete", link["ifname"], check=False)


class Namespace:
    """A network namespace of a test's own: the `host` of labs with `isolation: host`."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"
        self.prefix = ["nsenter", f"--net={self.path}", "--"]
        command("ip", "netns", "add", name)
        try:
            command("ip", "-n", name, "link", "set", "lo", "up")
            self.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
            self.before = self.snapshot()
        except BaseException:
            command("ip", "netns", "delete", name, check=False)
            raise

    def run(self, *argv, **options):
        return command(*self.prefix, *argv, **options)

    def snapshot(self):
        """Links, addresses, routes, rules and the forwarding switch: what has to be the same before and after."""
        keep = ("ifname", "address", "master", "mtu", "operstate", "ifalias", "group", "flags")
        return {
            "links": [{key: link.get(key) for key in keep} for link in links(self.name)],
            "addresses": command("ip", "-n", self.name, "-brief", "address"),
            "routes": command("ip", "-n", self.name, "route", "show", "table", "all"),
            "nftables": self.run("nft", "list", "ruleset"),
            "ip_forward": self.ip_forward(),
        }

    def ip_forward(self):
        return self.run("cat", "/proc/sys/net/ipv4/ip_forward").strip()

    def link(self, name):
        return next((link for link in links(self.name) if link["ifname"] == name), None)

    def close(self):
        """Removes it; returns what is not as it was, as lines."""
        after = self.snapshot()
        command("ip", "netns", "delete", self.name)
        return [f"{self.name}: {key} was {self.before[key]!r}, is {after[key]!r}" for key in after
                if after[key] != self.before[key]]


class Devices:
    """A mount namespace in which /dev/net/tun and /dev/kvm have mode 0666, as on an ordinary host.

    kvm_group: /dev/kvm has mode 0660 and this group (a number), as where only its members may use it.
    """

    def __init__(self, directory, kvm_group=None):
        os.mkdir(directory, 0o755)
        script = """
            mount -t tmpfs -o mode=755 tmpfs "$0" || exit
            mknod -m 666 "$0/tun" c 10 200 && mount --bind "$0/tun" /dev/net/tun || exit
            if [ -e /dev/kvm ]; then
                mknod -m "$1" "$0/kvm" c 10 232 && chown "0:$2" "$0/kvm" && mount --bind "$0/kvm" /dev/kvm || exit
            fi
            echo ready
            read -r end
        """
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, directory,
                                        "666" if kvm_group is None else "660", str(kvm_group or 0)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n", "cannot make device nodes in a mount namespace"
        self.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()


class User:
    """A user made for one test."""

    def __init__(self, name, directory):
        self.name = name
        command("useradd", "--no-create-home", "--home-dir", directory, "--shell", "/bin/sh", "--user-group", name)
        line = command("getent", "passwd", name).split(":")
        self.uid, self.gid = int(line[2]), int(line[3])
        self.prefix = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--"]

    def own(self, path):
        os.chown(path, self.uid, self.gid)

    def close(self):
        command("userdel", self.name)


def disk_files(directory):
    """All disk files below a directory, by path."""
    found = []
    for path, _, files in os.walk(directory):
        found += [os.path.join(path, name) for name in files if name.endswith((".qcow2", ".raw"))]
    return sorted(found)
