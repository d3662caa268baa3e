"""test_survive.py - QEMU stopped, the host started anew, no room on the disk, a run directory that cannot be written to"""

import os
import shutil
import signal
import subprocess
import time

import host

LAB = """
networks:
  lan: {subnet: 10.93.0.0/24, mode: isolated}
vms:
  one: &vm {<<: *fake, networks: [lan], disk: 8M}
  two: *vm
"""


def timed(lab, *arguments, limit, **options):
    began = time.monotonic()
    result = lab.drover(*arguments, **options)
    took = time.monotonic() - began
    assert took < limit, f"{took:.1f} s: {result}"
    return result


def test_stopped_qemu(world):
    """A QEMU that somebody stopped: every verb ends in bounded time and says what it saw; down ends it by SIGTERM."""
    lab = world.lab(LAB, fake=True)
    lab.drover("up")
    os.kill(lab.pids()["one"], signal.SIGSTOP)
    for verb in (["ps"], ["plan", "--exit-code"], ["up"]):
        result = timed(lab, *verb, limit=6)
        assert "no greeting within 2000 ms" in result.out + result.err, result
    timed(lab, "stop", "-t", "1", limit=12)
    assert lab.states() == {"one": "stopped", "two": "stopped"}
    lab.drover("up")
    os.kill(lab.pids()["one"], signal.SIGSTOP)
    timed(lab, "down", "-t", "0", limit=4)  # SIGKILL would come after five seconds
    assert lab.leftovers() == []


def test_stopped_qemu_of_another(world):
    """A verb that names VMs asks those alone, and whom they hang together with: another that hangs delays and hides nothing."""
    text = LAB.replace("  two: *vm\n", "  two: *vm\n  below: *vm\n  above: {<<: *vm, depends_on: [below]}\n")
    lab = world.lab(text, fake=True)
    lab.drover("up")
    stopped = lab.pids()["one"]
    os.kill(stopped, signal.SIGSTOP)
    for verb in ("up two", "plan two", "pause two", "unpause two", "stop -t 0 two", "start two", "up above"):
        result = lab.drover(*verb.split())
        assert "one" not in result.out + result.err, (verb, result)
    assert "cannot be reached" in lab.drover("plan", "one").out
    os.kill(stopped, signal.SIGCONT)
    os.kill(lab.pids()["below"], signal.SIGSTOP)
    assert "vm 'below' runs, but cannot be reached" in lab.drover("up", "above").err
    os.kill(lab.pids()["below"], signal.SIGCONT)
    lab.assert_satisfied()


def test_qemu_killed_while_up_runs(world):
    """QEMU killed the moment it runs, again and again: up tells of it or not, and the one that is left alone converges."""
    lab = world.lab(LAB.replace("one: &vm {<<: *fake,", "one: &vm {<<: *fake, qemu_args: [-fake, slow=50],"), fake=True)
    for _ in range(3):
        up = lab.begin("up")
        pid = host.wait_until(lambda: next((pid for pid, arguments in host.processes(lab.name).items()
                                            if f"guest={lab.name}/one" in arguments), None), "a QEMU runs")
        host.end_process(pid)
        _, err = up.communicate(timeout=60)
        assert up.returncode == 0 or (up.returncode == 1 and "error: cannot start vm 'one'" in err), (up.returncode, err)
    lab.drover("up")
    assert set(lab.states().values()) == {"running"}
    lab.assert_satisfied()


def test_host_started_anew(world):
    """No process, no namespace and no run directory is left, as after a power cut: up brings back the same VMs."""
    lab = world.lab(LAB, fake=True)
    lab.drover("up")
    before = {vm: {key: lab.spec(vm)[key] for key in ("uuid", "macs", "machine", "ports", "disks")} for vm in ("one", "two")}
    for pid in host.processes(lab.name):
        host.end_process(pid)
    host.command("ip", "netns", "delete", f"drover-{lab.name}")
    shutil.rmtree(lab.run_directory)
    assert set(lab.states().values()) == {"crashed"}
    lab.drover("up")
    assert {vm: {key: lab.spec(vm)[key] for key in before[vm]} for vm in before} == before
    assert set(lab.states().values()) == {"running"} and len(lab.dnsmasq()) == len(lab.supervisors()) == 1
    lab.assert_satisfied()


class Mounted:
    """A mount namespace in which a directory is a file system of its own."""

    def __init__(self, world, directory, options):
        script = 'mount -t tmpfs -o "$1" tmpfs "$0" && echo ready && read -r end'
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, directory,
                                        options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        world.ignore.add(self.holder.pid)
        world.closers.append(self.close)
        assert self.holder.stdout.readline() == "ready\n", "cannot mount"
        self.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]
        self.path = f"/proc/{self.holder.pid}/root{directory}"

    def remount(self, options):
        host.command(*self.prefix, "mount", "-o", f"remount,{options}", self.path.partition("/root")[2])

    def fill(self):
        """Until not a byte more fits."""
        with open(os.path.join(self.path, "full"), "ab", 0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()


def test_full_disk(world):
    """Nothing is made where there is no room, with the reason; what runs on a disk that became full can be removed."""
    world.make_directory("data", mode=0o711)
    disk = Mounted(world, world.path("data"), "size=1m,mode=711")
    lab = world.lab(LAB, fake=True, prefix=disk.prefix)
    disk.fill()
    up = lab.drover("up", status=1)
    assert "No space left on device" in up.err, up
    os.unlink(os.path.join(disk.path, "full"))
    lab.drover("up")
    disk.fill()
    assert set(lab.states().values()) == {"running"}
    lab.drover("down", "-v", "-y", "-t", "0")
    assert os.listdir(disk.path) == ["full"] and lab.leftovers() == []


def test_run_directory_read_only(world):
    """The error names the directory and the reason; readers go on; when it can be written to again, up converges."""
    world.make_directory("run", mode=0o711)
    run = Mounted(world, world.path("run"), "mode=711")
    lab = world.lab(LAB, fake=True, prefix=run.prefix)
    run.remount("ro")
    up = lab.drover("up", status=1)
    assert f"cannot make directory '{lab.run_directory}': Read-only file system" in up.err, up
    lab.drover("ps")
    lab.drover("plan")
    run.remount("rw")
    lab.drover("up")
    lab.assert_satisfied()
    lab.drover("down", "-v", "-y", "-t", "0")
