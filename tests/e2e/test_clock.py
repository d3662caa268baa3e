"""test_clock.py - the clock of the day is set while things wait for their time: nothing comes early, late, or not at all"""

import datetime
import json
import os
import shutil
import struct
import subprocess
import time

import pytest

from conftest import TOP

LAB = """
vms:
  flaps: {<<: *fake, networks: [], restart: always, qemu_args: [-fake, poweroff=20]}
  checked: {<<: *fake, networks: [], healthcheck: {agent: true, interval: 300ms, timeout: 100ms, retries: 1, start_period: 3s}}
"""
HOUR = 3600
LATE = 2.5  # how much later something may come on a busy machine


class Clock:
    """A mount namespace in which every program sees the clock that the test sets."""

    def __init__(self, world):
        library = os.path.join(os.path.dirname(os.environ.get("DROVER", f"{TOP}/build/drover")), "shift-clock.so")
        if not os.path.exists(library):
            pytest.skip(f"no '{library}': run 'make unit' first")
        directory = world.make_directory("clock")
        shutil.copy(library, directory)
        self.offset = os.path.join(directory, "shift-clock.so.offset")
        self.shift(0)
        os.chmod(self.offset, 0o644)
        script = """
            cp -a /etc "$0/etc" && echo "$0/shift-clock.so" >"$0/etc/ld.so.preload" && mount --bind "$0/etc" /etc || exit
            echo ready
            read -r end
        """
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, directory],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        world.ignore.add(self.holder.pid)
        world.closers.append(self.close)
        assert self.holder.stdout.readline() == "ready\n", "cannot have an /etc of its own"
        self.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]

    def shift(self, seconds):
        with open(self.offset, "r+b" if os.path.exists(self.offset) else "wb") as file:
            file.write(struct.pack("q", seconds))

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()


class Journal:
    """The journal as it grows: each event with the moment (monotonic) at which it was seen there."""

    def __init__(self, lab):
        self.path, self.events = os.path.join(lab.data, "events.jsonl"), []

    def look(self):
        with open(self.path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        now = time.monotonic()
        self.events += [(now, json.loads(line)) for line in lines[len(self.events):]]

    def times(self, name, event):
        return [seen for seen, found in self.events if (found.get("name"), found["event"]) == (name, event)]


def watch(journal, child, steps, seconds):
    """Looks at the journal for so long, and takes the steps [(after seconds, function)] meanwhile. When did child end?"""
    began, ended = time.monotonic(), None
    while time.monotonic() < began + seconds:
        while steps and time.monotonic() >= began + steps[0][0]:
            steps.pop(0)[1]()
        journal.look()
        if ended is None and child.poll() is not None:
            ended = time.monotonic() - began
        time.sleep(0.01)  # how time passes is what is looked at
    return ended


def test_clock_is_set(world):
    """A back-off, a check's start period and wait --timeout run by the time that passes; the journal keeps its order."""
    clock = Clock(world)
    lab = world.lab(LAB, fake=True, prefix=clock.prefix)
    lab.drover("up")
    journal = Journal(lab)
    child = lab.begin("wait", "checked", "--timeout", "2s")
    steps = [(after, lambda seconds=seconds: clock.shift(seconds))
             for after, seconds in ((0.3, 5 * HOUR), (0.9, -7 * HOUR), (1.4, 30 * HOUR), (2.2, -HOUR), (2.6, 2 * HOUR))]
    ended = watch(journal, child, steps, 5)
    _, err = child.communicate()
    assert child.returncode and ended and 1.9 <= ended < 2 + LATE, (child.returncode, ended, err)
    (created,), (unhealthy,) = journal.times("checked", "create"), journal.times("checked", "unhealthy")
    assert 2.8 <= unhealthy - created < 3 + LATE, unhealthy - created
    starts = journal.times("flaps", "start")
    assert len(starts) >= 4, journal.events
    for number, (before, after) in enumerate(zip(starts, starts[1:]), 1):
        assert 0.1 * 2**number - 0.05 <= after - before < 0.1 * 2**number + LATE, (number, starts)
    written = [datetime.datetime.fromisoformat(event["time"].rstrip("Z")) for _, event in journal.events]
    assert max(written) - min(written) > datetime.timedelta(hours=30), "the clock was not set"
    told = [json.loads(line) for line in lab.drover("events", "--format", "json").out.splitlines()]
    assert told[:len(journal.events)] == [event for _, event in journal.events]
    assert lab.vms()["checked"]["uptime_seconds"] < 60
    lab.drover("plan")
    lab.drover("down", "-t", "0")
