"""strike.py - drover's other processes hit at their system calls: the helper in the namespace, what it forks, the supervisor

A run under `strace -f` tells the calls of each process, and the way to it by forks; tests/strike.c finds the same again.
"""

import errno
import json
import re
import signal
import time

import host
import strace


def _foreign(program):
    return program is not None and '"/proc/self/exe"' not in program


class Record:
    """What all processes of a drover and those that it starts did until `is_over`, as strace saw it."""

    def __init__(self, lab, *arguments, meanwhile=lambda: None):
        self.numbers, self.programs, self.calls = {}, {}, {}
        output = lab.world.path("processes.strace")
        with open(output, "w", encoding="ascii"):
            pass
        wrap = ["strace", "-f", "-I", "2", "-n", "-y", "-s", "300", "-o", output]
        traced = lab.begin("--parallel", "1", *arguments, wrap=wrap)
        host.wait_until(lambda: self.has_ended(output), "drover has ended", 60)
        meanwhile()
        traced.send_signal(signal.SIGTERM)  # lets go of all that still runs
        traced.communicate(timeout=20)
        self.take(self.read(output))

    @staticmethod
    def read(output):
        with open(output, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    def has_ended(self, output):
        lines = self.read(output)
        return any(re.match(rf"{lines[0].split()[0]} .*\+\+\+ exited", line) for line in lines)

    def take(self, lines):
        self.numbers.update((name, number) for number, name in re.findall(r"^\d+ +\[ *(\d+)\] (\w+)\(", "\n".join(lines), re.M))
        ways, forks, counts, loading = {}, {}, {}, set()
        for line in strace.whole_lines([re.sub(r"^(\d+) +\[ *\d+\]", r"\1", line) for line in lines]):
            match = re.match(r"(\d+) +(\w+)\((.*)", line)
            if not match:
                continue
            pid, name, arguments = match.groups()
            way = ways.setdefault(pid, "-" if not ways else f"?{pid}")
            counts[way, name] = counts.get((way, name), 0) + 1
            if way not in loading:  # the loader's are not drover's: it ends a program, which then has not begun
                self.calls.setdefault(way, []).append(strace.Call(name, counts[way, name], arguments, way))
            made = re.search(r"= (\d+)$", arguments) if re.fullmatch("v?fork|clone3?", name) else None
            if made:
                forks[way] = forks.get(way, 0) + 1
                ways[made.group(1)] = str(forks[way]) if way == "-" else f"{way}.{forks[way]}"
            if name == "execve" and arguments.endswith("= 0"):
                self.programs[way] = arguments
                loading.add(way)
            elif name == "set_tid_address":
                loading.discard(way)

    def others(self):
        """The calls of all but the first process while they are drover's: of another program none, but the exec itself."""
        found = []
        for way, calls in self.calls.items():
            above = [way[:dot.start()] for dot in re.finditer(r"\.", way)]
            if way == "-" or any(_foreign(self.programs.get(parent)) for parent in above):
                continue
            end = next((number for number, call in enumerate(calls, 1) if call.name == "execve"), len(calls))
            found += calls[:end] if _foreign(self.programs.get(way)) else calls
        return found

    def of_program(self, word, since_exec=False):
        """The calls of the process that became `drover WORD`; or only those that it made as that."""
        found = []
        for way, calls in self.calls.items():
            if f'["drover", "{word}"' in self.programs.get(way, ""):
                execs = [number for number, call in enumerate(calls, 1) if call.name == "execve"]
                found += calls[execs[-1]:] if since_exec else calls
        return found


class Strike:
    """One call to be hit: `error` is the name of one, or KILL."""

    def __init__(self, lab, record, call, error):
        self.report = lab.world.path("strike")
        with open(self.report, "w", encoding="ascii"):
            pass
        action = "kill" if error == "KILL" else str(getattr(errno, error))
        self.arguments = [self.report, call.process, record.numbers[call.name], str(call.number), action]
        self.program = lab.world.programs.strike

    def wrap(self, *options):
        return [self.program, *options, *self.arguments]

    def told(self):
        with open(self.report, encoding="ascii") as file:
            return file.read().split()


FAKES = """\
networks:
  lan: {subnet: 10.42.0.0/24, mode: isolated}
vms:
  one: {<<: *fake, networks: [lan], disk: 8M, restart: always}
  two: {<<: *fake, networks: [lan]}
"""


class Supervisor:
    """The supervisor hit while it starts, and while a QEMU and dnsmasq are killed, which it has to start again."""

    def __init__(self, world):
        self.lab = world.lab(FAKES, fake=True)
        self.lab.drover("up")
        self.go()
        self.record = Record(self.lab, "up", meanwhile=lambda: host.wait_until(self.disturb(), "all runs again"))
        self.go()
        self.calls = self.record.of_program("supervise")

    def go(self):
        self.lab.drover("down", "-v", "-y", "-t", "0")

    def qemu(self):
        mark = f"guest={self.lab.name}/one"
        return next((pid for pid, arguments in host.processes(self.lab.name).items() if mark in arguments), None)

    def standing(self):
        return {self.qemu(), *self.lab.dnsmasq()} - {None}

    def disturb(self):
        """Kills what the supervisor starts again; returns a function that says whether all is there again."""
        before = self.standing()
        for pid in before:
            host.end_process(pid)

        def is_healed():
            mends = any(f"mend {self.lab.name}" in arguments for arguments in host.processes(self.lab.data).values())
            return len(self.standing() - before) == 2 and not mends

        return is_healed

    def hit(self, call, error):
        """Returns whether the supervisor came so far."""
        what = f"supervisor, {error} at {call}"
        hit = Strike(self.lab, self.record, call, error)
        for pid in self.lab.supervisors():  # after a point that was not survived
            host.end_process(pid)
        up = self.lab.begin("--parallel", "1", "up", wrap=hit.wrap("-l"))
        try:
            struck = self.watch(what, hit, error)
        finally:
            up.terminate()
            up.communicate(timeout=20)
        self.judge(what)
        return struck

    def watch(self, what, hit, error):
        """Until all runs again, or will not; returns whether the call came."""
        host.wait_until(lambda: "ended" in hit.told(), f"{what}: up has ended", 60)
        is_healed = self.disturb()
        host.wait_until(lambda: "struck" in hit.told() or is_healed(), f"{what}: all runs again")
        struck = "struck" in hit.told()
        if struck and error == "EINTR":
            host.wait_until(is_healed, f"{what}: all runs again")
        elif struck and error != "KILL" and self.lab.supervisors():
            is_healed() or time.sleep(0.5)  # perhaps it does: it must not turn in circles meanwhile
        return struck

    def judge(self, what):
        spent = [host.cpu_seconds(pid) for pid in self.lab.supervisors()]
        assert all(seconds < 0.4 for seconds in spent), f"{what}: the supervisor took {spent} s"
        up = self.lab.drover("up", status=None)
        assert up.status == 0, f"{what}: {up}"
        plan = self.lab.drover("plan", "--exit-code", status=None)
        assert plan.status == 0, f"{what}: after up: {plan}"
        found = len(self.lab.supervisors()), len(self.lab.dnsmasq()), self.lab.states()
        assert found == (1, 1, {"one": "running", "two": "running"}), f"{what}: after up: {found}"
        with open(f"{self.lab.data}/events.jsonl", encoding="utf-8") as file:
            for line in file:
                json.loads(line)
        self.go()
        left = self.lab.leftovers(files=True)
        assert left == [], f"{what}: left behind: {left}"
