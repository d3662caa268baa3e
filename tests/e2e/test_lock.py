"""test_lock.py - two at once on one project: writers wait for each other, readers never wait"""

import fcntl
import json
import os
import struct
import time

import host

SLOW = """
networks:
  lan: {subnet: 10.50.0.0/24, mode: isolated}
vms:
  one: &vm {<<: *fake, networks: [lan], qemu_args: [-fake, slow=300]}
  two: *vm
  three: *vm
  four: *vm
  five: *vm
"""


def lock_holder(path):
    """Who holds a POSIX lock on the file; 0: nobody."""
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return 0
    try:
        query = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, query))
        return 0 if kind == fcntl.F_UNLCK else pid
    finally:
        os.close(fd)


def test_writers_and_readers(world):
    """A second writer is told who is at work, or waits for its end; ps, plan, config, ip and logs do not wait."""
    lab = world.lab(SLOW, fake=True)
    lock = os.path.join(lab.data, "lock")
    first = lab.begin("--parallel", "1", "up")
    host.wait_until(lambda: lock_holder(lock) == first.pid, "the first up has the lock")

    began = time.monotonic()
    refused = lab.drover("--lock-timeout", "200ms", "down", status=8)
    assert f"another drover works on this project (pid {first.pid}: drover --parallel 1 up)" in refused.err, refused
    assert 0.2 <= time.monotonic() - began < 1
    for verb in (["ps"], ["plan"], ["config"], ["ip"], ["logs"], ["ls"]):
        lab.drover(*verb, timeout=10)
    assert lock_holder(lock) == first.pid, "the readers took longer than the writer: they have waited"

    second = lab.drover("up")
    assert "nothing to do: 5 VMs as the file says" in second.err, second
    assert first.wait(30) == 0, first.communicate()
    assert lock_holder(lock) == 0
    assert lab.drover("--lock-timeout", "0", "up").status == 0


def test_reader_of_a_silent_qemu(world):
    """A QEMU that says nothing costs a reader two seconds at most, and spoils no other VM's line."""
    lab = world.lab(SLOW.replace("slow=300", "noacpi"), fake=True)
    lab.drover("up")
    pid = lab.pids()["one"]
    os.kill(pid, 19)  # SIGSTOP
    try:
        began = time.monotonic()
        vms = lab.vms()
        assert time.monotonic() - began < 3
        assert vms["one"]["state"] == "unreachable" and vms["one"]["pid"] == pid and vms["one"]["detail"], vms
        assert vms["two"]["state"] == "running"
    finally:
        os.kill(pid, 18)  # SIGCONT
    assert set(lab.states().values()) == {"running"}


def test_flood_of_events(world):
    """A QEMU that sends events without end costs a reader two seconds and no memory, and can be stopped."""
    lab = world.lab(SLOW.replace("one: &vm {<<: *fake, networks: [lan], qemu_args: [-fake, slow=300]}",
                                 "one: {<<: *fake, networks: [lan], qemu_args: [-fake, flood]}\n"
                                 "  two: &vm {<<: *fake, networks: [lan]}").replace("  two: *vm\n", "", 1), fake=True)
    lab.drover("up")
    began = time.monotonic()
    vms = json.loads(lab.drover("ps", "--format", "json", wrap=["prlimit", "--as=1000000000", "--"]).out)["vms"]
    assert time.monotonic() - began < 4
    states = {vm["name"]: vm["state"] for vm in vms}
    assert states.pop("one") == "unreachable" and set(states.values()) == {"running"}, vms
    lab.drover("down", "-t", "0")
    assert lab.leftovers() == []


def has_open(path):
    """Which processes have this file open."""
    return [pid for pid in host.processes("drover") if path in host.links_in(pid, "fd").values()]


def test_lock_of_a_project_that_goes(world):
    """`down -v` removes the lock file just when another has opened it and not locked it yet: the other takes the new one."""
    lab = world.lab(SLOW, fake=True)
    lock = os.path.join(lab.data, "lock")
    lab.drover("up")
    slow = ["strace", "-qq", "-o", "/dev/null", "-P", lock, "-e", "inject=fcntl:delay_enter=5000000:when=1"]
    up = lab.begin("--lock-timeout", "60s", "up", wrap=slow)
    host.wait_until(lambda: has_open(lock), "up has opened the lock")
    lab.drover("down", "-v", "-y", "-t", "0")
    assert up.poll() is None and not os.path.exists(lock), "the test is too slow to mean anything"
    host.wait_until(lambda: lock_holder(lock) or up.poll() is not None, "up has the new lock, or goes on without")
    assert lock_holder(lock) and up.poll() is None
    assert up.wait(60) == 0, up.communicate()
    lab.assert_satisfied()


def test_many_at_once(world):
    """Six times up and down of one project at once: each ends well, none sees half of another's work."""
    lab = world.lab(SLOW.replace("slow=300", "events"), fake=True)
    children = [lab.begin("--lock-timeout", "60s", verb, *options) for verb, options in
                [("up", []), ("down", ["-t", "0"])] * 3]
    for child in children:
        _, err = child.communicate(timeout=120)
        assert child.returncode == 0, (child.args, err)
    lab.drover("up")
    assert set(lab.states().values()) == {"running"}
    lab.assert_satisfied()
