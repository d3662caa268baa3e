"""test_moments.py - drover killed at random moments, with several threads and the real QEMU

DROVER_MOMENTS: how many (default: 4; make check-crash takes 100). DROVER_SWEEP_SEED: which.
"""

import collections
import os
import random
import time

import host
import strace
import sweep

MOMENTS = int(os.environ.get("DROVER_MOMENTS") or 4)  # every verb once
TRIES = 5  # for each: what takes less time than when it was measured is over before its moment
SEED = int(os.environ.get("DROVER_SWEEP_SEED") or 1)

BEFORE = """\
networks:
  lan: {subnet: 10.40.0.0/24, mode: nat}
  dmz: {subnet: 10.41.0.0/24, mode: isolated}
disks:
  data: {size: 1M, format: raw}
vms:
  one: {<<: *guest, disk: 16M, networks: {lan: {ip: 10.40.0.10}}, disks: [data], ports: ['127.0.0.1:8080:80']}
  two: {<<: *guest, networks: [lan], disk: 8M, disks: [{name: own, size: 1M, format: raw}], depends_on: [one]}
"""
# A NIC more, a disk that grows, memory that needs a restart.
AFTER = BEFORE.replace("one: {<<: *guest, disk: 16M, networks: {lan: {ip: 10.40.0.10}}",
                       "one: {<<: *guest, memory: 160M, disk: 32M, networks: {lan: {ip: 10.40.0.10}, dmz: {}}")
GROWS = "vms/one/root.0.qcow2"
UP = ("up", "--paused")
RESTART = ("up", "--paused", "--restart", "-t", "0")


class Verb(collections.namedtuple("Verb", "text runs verb")):
    """What is killed: on which file, and whether the lab ran before."""

    def set_up(self, lab):
        lab.write(BEFORE)
        if self.runs:
            lab.drover(*UP)
            sweep.write_precious(lab)
        lab.write(self.text)
        return sweep.state_files(lab), sweep.sums(lab)

    def record(self, lab):
        """How long it takes, and every version of each state file that it leaves at some moment."""
        before, _ = self.set_up(lab)
        began = time.monotonic()
        lab.drover(*self.verb)
        length = time.monotonic() - began
        lab.drover(*sweep.AWAY)
        assert self.set_up(lab)[0] == before, "two runs do not write the same"
        _, lines = strace.record_calls(lab, *self.verb)
        moments = sweep.History(lab, before, lines).moments
        lab.drover(*sweep.AWAY)
        return length, {path: {moment.get(path) for moment in moments} for path in set().union(*moments)}


VERBS = {"up": Verb(BEFORE, False, UP), "changed up": Verb(AFTER, True, UP), "up --restart": Verb(AFTER, True, RESTART),
         "down": Verb(BEFORE, True, sweep.DOWN)}


def kill(lab, verb, moment):
    """Killed so long after its start, at whatever it does then. Returns whether it was not over yet."""
    child = lab.begin(*verb)
    time.sleep(moment)  # the point of it: any moment, not one that an event tells
    host.end_process(child.pid)
    child.communicate()
    return child.returncode == -9


def assert_disks(lab, disks, what):
    now = sweep.sums(lab)
    lost = [path for path, value in disks.items() if path not in now or (path != GROWS and now[path] != value)]
    assert lost == [], f"{what}: {lost} are not what they were"


def assert_old_or_new(lab, versions, what):
    for path, content in sweep.state_files(lab).items():
        assert content in versions.get(path, ()), f"{what}: '{path}' is of no moment: {content}"


def assert_converges(lab, what):
    up = lab.drover(*RESTART, status=None)
    assert up.status == 0, f"{what}: {up}"
    plan = lab.drover("plan", "--exit-code", status=None)
    assert plan.status == 2 and "continue" in plan.out, f"{what}: {plan}"
    lab.drover("up")
    lab.assert_satisfied()


def test_moments(world, capsys):
    """Each time disks are what they were, state files old or new; up converges, down leaves nothing."""
    lab = world.lab(BEFORE)
    lab.drover(*UP)
    lab.drover(*sweep.AWAY)
    known = {name: verb.record(lab) for name, verb in VERBS.items()}
    chance, hit = random.Random(SEED), collections.Counter()
    for number in range(TRIES * MOMENTS):
        if sum(hit.values()) == MOMENTS:
            break
        name = list(VERBS)[number % len(VERBS)]
        length, versions = known[name]
        moment = chance.uniform(0, length)
        what = f"{name}, killed after {moment:.3f} of {length:.3f} s (seed {SEED}, number {number})"
        _, disks = VERBS[name].set_up(lab)
        hit[name] += kill(lab, VERBS[name].verb, moment)
        assert_disks(lab, disks, what)
        assert_old_or_new(lab, versions, what)
        if (number // len(VERBS) + 1) % 3:
            assert_converges(lab, what)
            assert_disks(lab, disks, what)
        lab.drover(*sweep.DOWN)
        assert_disks(lab, disks, what)
        lab.drover(*sweep.AWAY)
        assert lab.leftovers(files=True) == [], what
    with capsys.disabled():
        print(f"\nkilled at random moments: {MOMENTS} tried (seed {SEED}), {MOMENTS} survived: {dict(hit)}", flush=True)
    assert sum(hit.values()) == MOMENTS, f"{hit}: the others were over before their moment"
