"""sweep.py - drover killed, or refused by the kernel, at its system calls; and what has to stand afterwards

A scenario is a verb and the state that it starts from. A first run under strace gives the points: (name, how many of that name
so far) is what strace takes to hit the same call again, and calls that only look are one point with the next that acts. The
same run gives every version of the state files that there may be, in order: what a kill leaves has to be one of these moments.
"""

import collections
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import time

import host
import strace
import strike

NETWORKS = "networks:\n  lan: {subnet: 10.40.0.0/24, mode: nat}\n"
FIRST = NETWORKS + """\
disks:
  data: {size: 1M, format: raw}
vms:
  one: {<<: *fake, disk: 16M, networks: {lan: {ip: 10.40.0.10}}, disks: [data], ports: ['127.0.0.1:8080:80']}
  two: {<<: *fake, networks: [lan], image: ./base.qcow2, disks: [{name: own, size: 1M, format: raw}], depends_on: [one]}
"""
# A NIC, a network and a VM more, one VM less, other names and ports, memory that needs a restart, a disk that grows.
SECOND = NETWORKS + """\
  dmz: {subnet: 10.41.0.0/24, mode: isolated}
disks:
  data: {size: 2M, format: raw}
vms:
  one:
    {<<: *fake, memory: 96M, hostname: uno, disk: 32M, networks: {lan: {ip: 10.40.0.11}, dmz: {}}, disks: [data],
     ports: ['127.0.0.1:8081:80']}
  three: {<<: *fake, networks: [dmz], depends_on: [one]}
"""


# In a QEMU that runs: a NIC more, a disk more, a disk that grows.
PLUGGED = """\
networks:
  lan: {subnet: 10.40.0.0/24, mode: isolated}
  dmz: {subnet: 10.41.0.0/24, mode: isolated}
vms:
  web: {<<: *guest, disk: 32M, networks: {lan: {ip: 10.40.0.10}, dmz: {}}, disks: [{name: more, size: 1M}]}
"""
UNPLUGGED = PLUGGED.replace("32M", "16M").replace(", dmz: {}}, disks: [{name: more, size: 1M}]", "}")


class Scenario(collections.namedtuple("Scenario", "name before verb again grows isolation fake",
                                      defaults=(("up",), (), "private", True))):
    """A verb that is hit, and the state that it starts from.

    before: [(file, steps)] that bring it about: verbs, "write" to the disks, "forget" what the cache knows; again: what has to
    converge afterwards; grows: disks that the verb changes.
    """

    def removes(self):
        return self.verb == AWAY


DOWN = ("down", "-t", "0")
AWAY = ("down", "-v", "-y", "-t", "0")
CHANGE = ("up", "--restart", "--remove-orphans", "-y", "-t", "0")
SCENARIOS = {scenario.name: scenario for scenario in (
    Scenario("new", [(FIRST, [])], ("up",)),
    Scenario("new-on-host", [(FIRST, ["forget"])], ("up",), isolation="host"),
    Scenario("kept", [(FIRST, [("up",), DOWN, "write"])], ("up",)),
    Scenario("change", [(FIRST, [("up",), "write"]), (SECOND, [])], CHANGE, CHANGE,
             ("disks/data.0.raw", "vms/one/root.0.qcow2")),
    Scenario("live", [(UNPLUGGED, [("up", "--paused")]), (PLUGGED, [])], ("up", "--paused"), grows=("vms/web/root.0.qcow2",),
             fake=False),
    Scenario("restart", [(FIRST, [("up",), "write"])], ("restart", "-t", "0")),
    Scenario("down", [(FIRST, [("up",), "write"])], DOWN),
    Scenario("remove", [(FIRST, [("up",)])], AWAY),
    Scenario("remove-on-host", [(FIRST, [("up",)])], AWAY, isolation="host"),
)}

STAYING = {"supervise": "supervisor", "forward": "ports"}  # drover's processes that run on, and what a plan calls them

STATE_FILE = re.compile(r"(state|project|vms/[^/]+/spec)\.json")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write_precious(lab):
    """What guests wrote: only a loss of it can be seen on a disk."""
    for path in host.disk_files(lab.data):
        if path.endswith(".raw"):
            with open(path, "r+b") as file:
                file.seek(4096)
                file.write(os.path.basename(path).encode() * 10)


def sums(lab):
    return {os.path.relpath(path, lab.data): hashlib.sha256(read(path)).hexdigest() for path in host.disk_files(lab.data)}


def state_files(lab):
    found = {}
    for folder, _, names in os.walk(lab.data):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), lab.data)
            if STATE_FILE.fullmatch(path):
                found[path] = read(os.path.join(folder, name))
    return found


def unescape(text):
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


class History:
    """The moments of the state files, from a trace with descriptors as paths (strace -y -s) and what there was before it."""

    def __init__(self, lab, before, lines):
        self.moments, self.drafts, self.data = [dict(before)], {}, lab.data + "/"
        for line in lines:
            self.take(line)

    def put(self, path, content):
        path = path.removeprefix(self.data)
        if STATE_FILE.fullmatch(path):
            moment = dict(self.moments[-1])
            moment.pop(path, None) if content is None else moment.update({path: content})
            self.moments.append(moment)

    def take(self, line):
        written = re.match(r'write\(\d+<([^>]+)>, "((?:[^"\\]|\\.)*)", \d+\) += (\d+)', line)
        renamed = re.match(r'rename\("([^"]+)", "([^"]+)"\) += 0', line)
        removed = re.match(r'unlink(?:at)?\((?:\w+<([^>]+)>, )?"([^"]+)"(?:, 0)?\) += 0', line)
        if written:
            self.drafts[written.group(1)] = self.drafts.get(written.group(1), b"") + unescape(written.group(2))
        elif renamed:
            self.put(renamed.group(2), self.drafts.pop(renamed.group(1), b"?"))
        elif removed:
            self.put(os.path.join(removed.group(1) or "/", removed.group(2)), None)

    def check(self, lab):
        """One of the moments: no file older or newer than another, and none that was never written."""
        found = state_files(lab)
        for path, content in found.items():
            json.loads(content)
            versions = [moment.get(path) for moment in self.moments]
            assert content in versions, f"'{path}' is none of {len(versions)} versions: {content}"
        first = {path: [moment.get(path) for moment in self.moments].index(content) for path, content in found.items()}
        assert found in self.moments, f"mixed, by the number of the moment: {first}"


def normal_rules(text):
    """Tables by name, without handles and counters."""
    return sorted(re.split(r"^(?=table )", re.sub(r"handle \d+|counter packets \d+ bytes \d+", "", text), flags=re.MULTILINE))


def commands(lab):
    """The project's processes, by what they are."""
    found = [arguments.split() for arguments in host.processes(lab.name).values()]
    words = [os.path.basename(words[0]) + (" " + words[1] if "drover" in words[0] else "") for words in found if words]
    return sorted(word for word in words if word not in ("strace -o", "python3"))


def files_below(directory, volatile):
    found = set()
    for folder, folders, names in os.walk(directory):
        for name in folders + names:
            path = os.path.relpath(os.path.join(folder, name), directory)
            if not re.search(volatile, path):
                found.add(path)
    return found


def picture(lab, namespace):
    """What stands, without what differs from run to run: two that are equal were made by drovers that did the same."""
    where = namespace.name if namespace else f"drover-{lab.name}"
    prefix = ["ip", "netns", "exec", where]
    keep = ("ifname", "master", "mtu", "ifalias", "group", "operstate")
    return {
        "links": {link["ifname"]: {key: link.get(key) for key in keep} for link in host.links(where)},
        "addresses": sorted(re.sub(r" fe80::\S+|@if\d+", "", line).split()
                            for line in host.command("ip", "-n", where, "-brief", "address").splitlines()),
        "rules": normal_rules(host.command(*prefix, "nft", "list", "ruleset")),
        "data": files_below(lab.data, r"^events\.jsonl|^dnsmasq/(log|\w+\.conf)|^ports\.log"),
        "run": files_below(lab.run_directory, r"^$"),
        "state": state_files(lab),
        "processes": commands(lab),
        "disks": sums(lab),
    }


def assert_same(found, wanted, what):
    for key, value in wanted.items():
        if found[key] != value:
            if isinstance(value, dict):
                value, found[key] = ({name: side.get(name) for name in set(value) | set(found[key])
                                      if value.get(name) != found[key].get(name)} for side in (value, found[key]))
            raise AssertionError(f"{what}: {key} are {found[key]!r}, after an undisturbed run {value!r}")


class Sweep:
    """A scenario in a lab of its own, run once undisturbed."""

    def __init__(self, world, scenario):
        self.world, self.scenario = world, scenario
        self.namespace = world.namespace("host")
        self.lab = world.lab("", namespace=self.namespace, isolation=scenario.isolation, fake=scenario.fake)
        self.base = os.path.join(self.lab.directory, "base.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.base, "8M"], check=True)
        os.chmod(self.base, 0o644)
        self.lab_namespace = self.namespace if scenario.isolation == "host" else None
        self.clean = self.namespace.snapshot()
        self.set_up()
        self.lab.drover(*AWAY)  # what all projects share (which machines QEMU has) is there from now on
        before = self.set_up()
        self.calls, lines = strace.record_calls(self.lab, *scenario.verb)
        self.history = History(self.lab, before, lines)
        self.history.check(self.lab)
        assert self.history.moments[-1] == state_files(self.lab), "the trace does not tell all that was written"
        self.lab.drover(*scenario.again)
        self.running = picture(self.lab, self.lab_namespace)
        self.lab.drover(*AWAY)

    def set_up(self):
        """The state that the verb starts from; returns its state files."""
        if os.path.exists(self.lab.data) or os.path.exists(self.lab.run_directory):  # after a point that was not survived
            self.lab.drover(*AWAY)
        for text, steps in self.scenario.before:
            self.lab.write(text)
            for step in steps:
                if step == "write":
                    write_precious(self.lab)
                elif step == "forget":
                    shutil.rmtree(self.lab.roots["cache"], ignore_errors=True)
                else:
                    self.lab.drover(*step)
        self.disks = sums(self.lab)
        return state_files(self.lab)

    def run(self, *injection):
        """The verb under strace; returns its result and the lines that strace wrote."""
        output = self.world.path("inject.strace")
        wrap = ["strace", "-y", "-o", output, *injection]
        result = self.lab.drover("--parallel", "1", *self.scenario.verb, status=None, wrap=wrap,
                                 environment={"ASAN_OPTIONS": "detect_leaks=0"})
        with open(output, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        return result, lines

    def assert_disks(self, what):
        """No disk that was there has changed or gone, but for what the verb itself removes or grows."""
        now = sums(self.lab)
        for path, value in self.disks.items() if not self.scenario.removes() else ():
            same = path in now and (now[path] == value or path in self.scenario.grows)
            assert same, f"{what}: disk '{path}' is not what it was"

    def await_processes(self, what):
        """A supervisor's child lives for a moment, and so does a second supervisor, which finds that there is one."""
        wanted = self.running["processes"]
        host.wait_until(lambda: commands(self.lab) == wanted, f"{what}: processes as after an undisturbed run, {wanted}", 10)

    def assert_converges(self, what):
        up = self.lab.drover(*self.scenario.again, status=None)
        assert up.status == 0, f"{what}: {up}"
        plan = self.lab.drover("plan", "--exit-code", status=None)
        assert plan.status == 0, f"{what}: after up: {plan}"
        self.await_processes(what)
        assert_same(picture(self.lab, self.lab_namespace), self.running, what)
        self.assert_disks(what)

    def assert_goes(self, what):
        """down keeps the disks, down -v nothing."""
        for verb in [DOWN, AWAY] if self.disks and not self.scenario.removes() else [AWAY]:
            down = self.lab.drover(*verb, status=None)
            assert down.status == 0, f"{what}: {down}"
            if verb == DOWN:
                self.assert_disks(what)
        self.assert_nothing(what)

    def assert_nothing(self, what):
        left = self.lab.leftovers(files=True)
        left += [f"draft {path}" for path in files_below(self.lab.roots["cache"], r"^(?!.*\.draft$)")]
        left += [f"{key}: {value!r}" for key, value in self.namespace.snapshot().items() if value != self.clean[key]]
        assert left == [], f"{what}: left behind: {left}"

    def others(self, seed):
        """[(call, error or KILL)] of all processes but drover's first."""
        settled = os.stat(self.base).st_ctime + 3
        host.wait_until(lambda: time.time() > settled, "what is known of the image is kept, and no qemu-img asked")
        self.set_up()
        self.lab.drover(*self.scenario.verb)
        self.set_up()
        self.record = strike.Record(self.lab, *self.scenario.verb)
        self.lab.drover(*AWAY)
        calls = self.record.others()
        return kinds_first([(call, "KILL") for call in strace.acting(calls)] + faults(calls, seed), seed)

    # ---- killed ----

    def kill(self, call, at_once=False):
        """Killed before that call; then up and down, or `at_once` down alone. Returns whether drover came so far."""
        what = f"{self.scenario.name}, killed before {call}"
        self.set_up()
        result, _ = self.run("-e", f"trace={call.name}", "-e", f"inject={call.name}:signal=KILL:when={call.number}")
        hit = result.status in (-9, 137)
        if hit:
            self.history.check(self.lab)
            self.assert_disks(what)
        if not at_once:
            self.assert_converges(what)
        self.assert_goes(what)
        return hit

    # ---- refused ----

    def inject(self, call, error):
        """The verb, with that call failing; returns its result and the call as strace saw it, or None where it did not come."""
        result, lines = self.run("-e", f"trace={call.name}", "-e", f"inject={call.name}:error={error}:when={call.number}")
        return result, next((line for line in lines if "(INJECTED)" in line), None)

    def strike(self, call, error):
        """The same with the call of another process, which may also be killed."""
        hit = strike.Strike(self.lab, self.record, call, error)
        result = self.lab.drover("--parallel", "1", *self.scenario.verb, status=None, wrap=hit.wrap())
        return result, str(call) if "struck" in hit.told() else None

    def fail(self, call, error):
        """The call fails with that error instead of being run. Returns whether drover came so far."""
        what = f"{self.scenario.name}, {error} at {call}"
        self.set_up()
        result, injected = self.inject(call, error) if call.process == "-" else self.strike(call, error)
        if not injected:
            assert result.status == 0, f"{what}, which did not come: {result}"
        self.judge(result, error, injected, f"{what}: {injected}", self.mended_after(call, error))
        for content in state_files(self.lab).values():
            json.loads(content)
        self.assert_disks(what)
        self.assert_converges(what)
        self.lab.drover(*AWAY)
        self.assert_nothing(what)
        return injected is not None

    def mended_after(self, call, error):
        """What `plan` has to tell of: a process that stays may be killed right after it has said that it runs."""
        if error != "KILL":
            return ""
        return next((kind for word, kind in STAYING.items() if call in self.record.of_program(word, since_exec=True)), "")

    def judge(self, result, error, injected, what, mended=""):
        """A success is one, and a failure is told; an interrupted call is no failure."""
        assert 0 <= result.status < 126, f"{what}: it crashed: {result}"
        if error == "EINTR":
            assert result.status == 0, f"{what}: {result}"
        if result.status:
            assert re.search(r"(^|: )error: .", result.err, re.MULTILINE), f"{what}: it does not say why: {result}"
            return
        assert error == "EINTR" or not is_weighty(injected), f"{what}: success, though what must last was not written: {result}"
        if self.scenario.verb in (("up",), CHANGE) and not (injected and OF_HOST.search(injected)):
            plan = self.lab.drover("plan", "--exit-code", status=None)
            steps = re.findall(r"^[-+~].*", plan.out, re.MULTILINE)
            told = plan.status == 2 and steps == [f"~ repair {mended}"]
            assert plan.status == 0 or told, f"{what}: success, but {plan}\n{result}"
        elif self.scenario.verb[0] == "down":
            left = self.lab.leftovers(files=self.scenario.removes())
            assert left == [], f"{what}: success, but {left}\n{result}"


def is_weighty(line):
    """A write that nobody may call a success when it failed: of a state file or of a disk."""
    return bool(line and re.match(r"write|pwrite|fsync|fdatasync|rename|ftruncate|copy_file_range|sendfile", line)
                and re.search(r"\.(spec|state|project)\.json\.|\.(raw|qcow2)\b", line))


# What the host says of itself: without it drover takes a guess, and mends that when it can be read again. And what the loader
# does before drover's first instruction.
OF_HOST = re.compile(r'"/etc/|</etc/|\.so[.\d]*[">]')

ERRORS = [  # name of the call, what its arguments have to have, errors
    (r"write|pwrite64", r"^(?!2<|1<)", "ENOSPC EIO EINTR"),
    (r"openat|open", r"O_CREAT", "ENOSPC EMFILE EIO"),
    (r"openat|open", r"^(?!.*O_CREAT)", "EMFILE EIO ENOMEM"),
    (r"fsync|fdatasync", r"", "EIO ENOSPC"),
    (r"rename|renameat|renameat2|mkdir", r"", "ENOSPC EIO"),
    (r"unlink|unlinkat|rmdir|chmod|fchmod|fchown|fchownat|getdents64", r"", "EIO"),
    (r"ftruncate|fallocate|copy_file_range|sendfile", r"", "ENOSPC EIO"),
    (r"mmap", r"MAP_ANONYMOUS", "ENOMEM"),
    (r"socket|socketpair|pipe2|memfd_create|inotify_init1|eventfd2|pidfd_open", r"", "EMFILE ENOMEM"),
    (r"inotify_add_watch", r"", "ENOSPC"),
    (r"fcntl", r"F_DUPFD", "EMFILE"),
    (r"fcntl", r"SETLKW", "EINTR"),
    (r"fcntl", r"SETLK,", "ENOLCK"),
    (r"bind", r"", "ENOSPC ENOMEM"),
    (r"connect", r"", "EINTR ENOMEM"),
    (r"sendmsg|sendto", r"", "ENOMEM ENOBUFS EINTR"),
    (r"recvmsg", r"AF_NETLINK", "ENOMEM"),  # libnftables' own, which does not wait and so is not interrupted
    (r"recvmsg|recvfrom", r"^(?!.*AF_NETLINK)", "ENOMEM EINTR"),
    (r"read|pread64", r"", "EIO EINTR"),
    (r"poll|ppoll|wait4|waitid|nanosleep|clock_nanosleep|accept4|epoll_wait", r"", "EINTR"),
    (r"fork|vfork|clone|clone3", r"", "EAGAIN ENOMEM"),
]


def kinds_first(points, seed):
    """In random order, but one of each kind of call before any other."""
    points, kinds, first, rest = list(points), set(), [], []
    random.Random(seed).shuffle(points)
    for point in points:
        kind = (point[0].kind(), *point[1:])
        (rest if kind in kinds else first).append(point)
        kinds.add(kind)
    return first + rest


def faults(calls, seed=0):
    """[(call, error)]: what the kernel can say to each of them: all that it can to one of a kind, and then to every call EINTR
    and one other, in turn from call to call."""
    found, turns, kinds = {}, collections.Counter(), set()
    for call in calls:
        if OF_HOST.search(call.arguments):
            continue
        for number, (name, arguments, errors) in enumerate(ERRORS):
            if not re.fullmatch(name, call.name) or not re.search(arguments, call.arguments):
                continue
            errors = errors.split()
            if "." in call.process and call.name == "sendmsg" and "AF_NETLINK" in call.arguments:
                errors.remove("EINTR")  # libnftables' own, in a process that no signal interrupts
            hard = [error for error in errors if error != "EINTR"]
            if (number, call.kind()) in kinds:
                errors = ["EINTR"] * ("EINTR" in errors) + ([hard[(turns[number] + seed) % len(hard)]] if hard else [])
            kinds.add((number, call.kind()))
            turns[number] += 1
            found.update(dict.fromkeys((call, error) for error in errors))
    return kinds_first(found, seed)


class Outcome:
    """What came of some points: how many were tried, how many of them were reached, and what was not survived."""

    def __init__(self):
        self.tried = self.hit = 0
        self.failures = []


def visit(items, seconds, function, tell):
    """Calls function(*item) for one after the other as long as there is time (0: for all); failures are told at once."""
    outcome = Outcome()
    end = time.monotonic() + seconds
    for item in items:
        if seconds and time.monotonic() > end:
            break
        outcome.tried += 1
        try:
            outcome.hit += bool(function(*item))
        except (AssertionError, subprocess.TimeoutExpired, ValueError) as failure:
            outcome.hit += 1
            outcome.failures.append(str(failure))
            tell(f"  {failure}")
    return outcome
