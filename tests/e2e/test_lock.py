"""test_lock.py - two at once on one project: writers wait for each other, readers never wait"""

import fcntl
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
