"""test_supervise.py - the supervisor: what it sees, what it records, what it starts again"""

import json
import os
import signal
import time

import host

FAKES = """
networks:
  lan: {{subnet: 10.30.0.0/24, mode: isolated}}
vms:
  one: {{<<: *fake, networks: [lan]{one}}}
  two: {{<<: *fake, networks: [lan]}}
"""


def lab_of(world, one=""):
    lab = world.lab(FAKES.format(one=", " + one if one else ""), fake=True)
    lab.drover("up")
    return lab


def events(lab, *arguments):
    """What the journal says, as (name or kind, event, by)."""
    lines = lab.drover("events", "--format", "json", *arguments).out.splitlines()
    return [(event.get("name", event["kind"]), event["event"], event["by"]) for event in map(json.loads, lines)]


def wait_for_event(lab, *event):
    host.wait_until(lambda: event in events(lab), f"{event} in the journal")


def context_switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)


def test_killed_qemu_starts_again(world):
    """always: a QEMU that was killed is recorded and started again; another VM without a policy stays as it is."""
    lab = lab_of(world, "restart: always")
    before = lab.pids()
    host.end_process(before["one"])
    host.wait_until(lambda: lab.pids()["one"] not in (None, before["one"]), "one runs again")
    host.end_process(before["two"])
    wait_for_event(lab, "two", "crashed", "qemu")
    found = [event for event in events(lab, "one") if event[2] != "up"]
    assert found == [("one", "crashed", "qemu"), ("one", "start", "supervisor")], found
    assert lab.states() == {"one": "running", "two": "crashed"}
    lab.drover("up")
    lab.assert_satisfied()


def test_stopped_by_the_user_stays_so(world):
    """What stop, kill and restart do is no end that is followed by a restart."""
    lab = lab_of(world, "restart: always")
    lab.drover("stop", "one", "-t", "0")
    lab.drover("kill", "two")
    lab.drover("start", "two")
    lab.drover("restart", "two", "-t", "0")
    assert lab.states() == {"one": "stopped", "two": "running"}
    assert not [event for event in events(lab) if event[2] in ("supervisor", "guest") or event[1] == "crashed"]


def test_guest_that_powers_off(world):
    """on-failure: a guest that powers itself off has not failed."""
    lab = lab_of(world, "restart: on-failure, qemu_args: [-fake, poweroff=300]")
    wait_for_event(lab, "one", "stopped", "guest")
    assert lab.states()["one"] == "stopped"
    assert ("one", "start", "supervisor") not in events(lab)


def test_guest_that_powers_off_always(world):
    """unless-stopped: it is started again each time, and the wait grows; stop ends that also while it waits."""
    lab = lab_of(world, "restart: unless-stopped, qemu_args: [-fake, poweroff=50]")
    host.wait_until(lambda: events(lab).count(("one", "start", "supervisor")) >= 3, "it was started three times")
    lab.drover("stop", "one", "-t", "0")
    lab.drover("stop", "two", "-t", "0")
    host.wait_until(lambda: not lab.supervisors(), "nothing waits for its time")
    assert lab.states() == {"one": "stopped", "two": "stopped"}


def test_tries_are_counted(world):
    """on-failure:2: after two tries it stays crashed."""
    lab = lab_of(world, "restart: 'on-failure:2'")
    for count in (1, 2):
        pid = lab.pids()["one"]
        host.end_process(pid)
        host.wait_until(lambda: lab.pids()["one"] not in (None, pid), f"started again, {count}")
        host.wait_until(lambda: lab.states()["one"] == "running", "it runs")
    host.end_process(lab.pids()["one"])
    host.wait_until(lambda: events(lab).count(("one", "crashed", "qemu")) == 3, "the third crash is recorded")
    assert lab.states()["one"] == "crashed"


def test_panic(world):
    """A guest that panics is kept for looking at, or, by its policy, started again."""
    lab = world.lab(FAKES.format(one=", qemu_args: [-fake, panic]").replace(
        "two: {<<: *fake,", "two: {<<: *fake, restart: on-failure, qemu_args: [-fake, panic],"), fake=True)
    lab.drover("up")
    pids = lab.pids()
    lab.drover("kill", "-s", "nmi", "one")
    lab.drover("kill", "-s", "nmi", "two")
    wait_for_event(lab, "one", "panicked", "guest")
    host.wait_until(lambda: lab.states() == {"one": "panicked", "two": "running"}, "one stands, two runs again")
    assert lab.pids()["one"] == pids["one"] and lab.pids()["two"] != pids["two"]


def test_dnsmasq_killed(world):
    """dnsmasq comes back by itself, and no VM is touched."""
    lab = lab_of(world)
    pids, (first,) = lab.pids(), lab.dnsmasq()
    host.end_process(first)
    wait_for_event(lab, "service", "create", "supervisor")
    (second,) = lab.dnsmasq()
    assert second != first and lab.pids() == pids and ("service", "died", "dnsmasq") in events(lab)
    lab.assert_satisfied()
    host.end_process(second)
    host.wait_until(lambda: events(lab).count(("service", "create", "supervisor")) == 2, "it is watched again")


def test_file_is_not_needed(world):
    """A restart takes what was applied, whatever the file says meanwhile, and whether or not it is there."""
    lab = lab_of(world, "restart: always")
    os.rename(lab.file, lab.file + ".away")
    with open(lab.vm_data("one", "own", "qemu.pid"), encoding="ascii") as file:
        pid = int(file.read())
    host.end_process(pid)
    wait_for = ["-p", lab.name, "events", "--format", "json"]
    host.wait_until(lambda: '"by":"supervisor"' in lab.drover(*wait_for).out, "it was started again")
    os.rename(lab.file + ".away", lab.file)
    lab.assert_satisfied()


def test_supervisor_stopped_and_killed(world):
    """Under a supervisor that hangs verbs go on; killed, the next verb that changes something brings another."""
    lab = lab_of(world, "restart: always")
    (first,) = lab.supervisors()
    os.kill(first, signal.SIGSTOP)
    lab.drover("restart", "two", "-t", "0")
    host.end_process(first)
    pid = lab.pids()["one"]
    lab.drover("restart", "two", "-t", "0")
    (second,) = lab.supervisors()
    assert second != first
    host.end_process(pid)
    host.wait_until(lambda: lab.pids()["one"] not in (None, pid), "the new one watches")


def test_no_wakeups(world):
    """Nothing happens, and the supervisor sleeps."""
    lab = lab_of(world, "restart: always")
    (pid,) = lab.supervisors()
    time.sleep(1)
    before = context_switches(pid)
    time.sleep(10)
    assert context_switches(pid) == before


def test_events_follow(world):
    """-f prints what comes, names leave out the rest, --since what was before."""
    lab = lab_of(world)
    follow = lab.begin("events", "-f", "two")
    assert "vm two: create (by up)" in follow.stdout.readline()
    lab.drover("pause", "one")
    lab.drover("pause", "two")
    seen = [follow.stdout.readline() for _ in range(2)]
    assert sorted(line.split("  ")[1].strip() for line in seen) == ["vm two: halted (by qemu)", "vm two: pause (by pause)"]
    follow.terminate()
    follow.communicate()
    assert events(lab, "--since", "2000-01-01") == events(lab) != []
    assert events(lab, "--since", "1ms") == []
    lab.drover("events", "--since", "yesterdayish", status=4)
    lab.drover("unpause")


def test_lease(world):
    """An address that a guest was given is recorded with its VM."""
    lab = world.lab("networks: {lan: {subnet: 10.30.0.0/24, mode: isolated}}\n"
                    "vms: {web: {<<: *guest, networks: {lan: {ip: 10.30.0.10}}}}\n")
    lab.drover("up")
    lab.console("web").ready()
    wait_for_event(lab, "web", "lease", "dnsmasq")
    assert '"address":"10.30.0.10"' in lab.drover("events", "web", "--format", "json").out
