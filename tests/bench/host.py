"""host.py - what the measures stand on: namespaces, processes and their memory, one timed run, labs, the table"""

import os
import select
import signal
import statistics
import subprocess
import sys
import time

LIMIT_S = 120  # for any one program that is measured


class Failed(Exception):
    """A measure that could not be taken, and why."""


def note(text):
    print(f"   {text}", file=sys.stderr, flush=True)


def run(argv, **options):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=LIMIT_S, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def processes():
    """All in this pid namespace but process 1 and ourselves."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]


def become_init():
    """As process 1: goes on in a child, and here takes in what ends, at once, as the init of a host does.

    Both drover and libvirt wait for processes that are nobody's child any more.
    """
    child = os.fork()
    if child == 0:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child has it too, and cleans up
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")
    except OSError:
        return [""]


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def context_switches(pid):
    """Of all its threads, so far: none more means that nothing has woken it."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii", errors="replace") as file:
            total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return total


def settle(kept=(), limit_s=5):
    """Waits until no process but those in `kept` is left. One that stays is told, and ended."""
    deadline = time.monotonic() + limit_s
    for pid in processes():
        if pid in kept:
            continue
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if not select.select([pidfd], [], [], max(0, deadline - time.monotonic()))[0]:
            note(f"left behind: {' '.join(command_line(pid))[:200]}")
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            select.select([pidfd], [], [])
        os.close(pidfd)


def cpu_ticks(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total


def wait_for_quiet(limit_s=90):
    """Until what runs here leaves two thirds of the processors alone: there is no event for that. A guest that sleeps in its
    firmware still takes about 1 % of one under TCG."""
    deadline = time.monotonic() + limit_s
    before = cpu_ticks(processes())
    while True:
        time.sleep(1)
        now = cpu_ticks(processes())
        share = (now - before) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)
        before = now
        if share < 1 / 3 or time.monotonic() > deadline:
            note(f"the guests use {100 * share:.0f} % of the processors")
            return


class Timer:
    """Runs programs through build/bench/measure, in one environment and directory."""

    def __init__(self, measure, directory, environment):
        self.measure, self.directory, self.environment = measure, directory, environment

    def __call__(self, *argv):
        """Milliseconds and peak MiB of one run."""
        done = subprocess.run([self.measure, *argv], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, check=False, timeout=LIMIT_S)
        words = done.stdout.split()
        if len(words) != 3 or words[2] != b"0":
            status = words[2].decode() if len(words) == 3 else "unknown"
            raise Failed(f"{' '.join(argv)}: status {status}\n{done.stderr.decode(errors='replace')[-4000:]}")
        return int(words[0]) / 1000, int(words[1]) / 1024


class Lab:
    """One project file in a directory of its own, with the directories that drover and the bare launcher put things in.

    They are new ones after each anew(), and the old ones stay until the end: some file systems are slow to make files for a
    while after many were removed. What would lie in /run lies in memory here too.
    """

    def __init__(self, scratch, name, text, programs, kept):
        """`kept()` gives the processes that are here whatever this lab does."""
        self.directory = os.path.join(scratch, name)
        self.scratch, self.name, self.programs, self.kept = scratch, name, programs, kept
        self.pids = os.path.join(self.directory, "pids")
        self.round = 0
        os.makedirs(self.directory)
        with open(os.path.join(self.directory, "drover.yaml"), "w", encoding="utf-8") as file:
            file.write(text)

    def environment(self, side):
        kept = {name: os.environ[name] for name in ("PATH", "DROVER_ACCEL", "DROVER_QEMU_USER") if name in os.environ}
        return {**kept, "LC_ALL": "C", "HOME": self.scratch, "DROVER_CACHE_DIR": os.path.join(self.scratch, "cache"),
                "DROVER_RUN_DIR": os.path.join(self.scratch, "run", f"{self.name}-{self.round}-{side}"),
                "DROVER_DATA_DIR": os.path.join(self.directory, f"{self.round}-{side}")}

    def drover(self, *argv):
        return Timer(self.programs["measure"], self.directory, self.environment("drover"))(*argv)

    def bare(self, *argv):
        return Timer(self.programs["measure"], self.directory, self.environment("bare"))(*argv)

    def verb(self, *arguments):
        return self.drover(self.programs["drover"], *arguments)

    def write_vectors(self):
        path = os.path.join(self.directory, "vectors")
        out = run([self.programs["vectors"], "drover.yaml"], cwd=self.directory, env=self.environment("bare"))
        with open(path, "wb") as file:
            file.write(out)
        return path

    def anew(self):
        """As if nothing had ever been up; and no write of the last round is left to disturb the next."""
        settle(self.kept())
        self.round += 1
        os.sync()


class Table:
    HEAD = ("measure", "drover", "against", "", "ratio", "goal", "")

    def __init__(self):
        self.rows = []

    def add(self, measure, ours, against="", theirs=None, goal="", met=None, unit="ms"):
        """`ours` and `theirs` are samples, in the order of the rounds; `met` says of their medians whether the goal is met.

        The ratio is the median of those of the rounds: what else this machine does falls on both sides of one round.
        """
        mine = statistics.median(ours)
        other = statistics.median(theirs) if theirs else None
        ratio = statistics.median(a / b for a, b in zip(ours, theirs)) if theirs else None
        verdict = "" if met is None else "met" if met(mine, other, ratio) else "missed"
        self.rows.append((measure, self.number(mine, unit), against, self.number(other, unit) if theirs else "",
                          f"{ratio:.2f}" if ratio is not None else "", goal, verdict))

    @staticmethod
    def number(value, unit):
        if not unit:
            return f"{value:.0f}"
        return f"{value:.{0 if value >= 1000 else 1 if value >= 20 else 2}f} {unit}"

    def print(self):
        rows = [self.HEAD, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.HEAD))]
        right = {1, 3, 4}
        for number, row in enumerate(rows):
            cells = [cell.rjust(width) if i in right else cell.ljust(width)
                     for i, (cell, width) in enumerate(zip(row, widths))]
            print("  ".join(cells).rstrip())
            if number == 0:
                print("-" * (sum(widths) + 2 * (len(widths) - 1)))
