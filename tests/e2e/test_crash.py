"""test_crash.py - drover and its helper killed at chosen moments, and what is on disk before a guest runs

All other moments: test_sweep.py.
"""

import os
import pwd
import signal

import host

FAKES = """
networks:
  lan: {subnet: 10.40.0.0/24, mode: nat}
disks:
  data: {size: 16M, format: raw}
vms:
  one: {<<: *fake, disk: 16M, networks: {lan: {ip: 10.40.0.10}}, disks: [data]}
  two: {<<: *fake, networks: [lan], disks: [{name: own, size: 8M, format: raw}], depends_on: [one]}
"""


def assert_converges(lab, point):
    """up makes what is missing; then everything is as after an up that nobody killed."""
    up = lab.drover("up", status=None)
    assert up.status == 0, f"after a kill at {point}: {up}"
    assert set(lab.states().values()) == {"running"}, point
    lab.assert_satisfied()
    assert len(lab.dnsmasq()) == 1, point


def assert_goes_down(lab, point, *arguments):
    down = lab.drover("down", "-t", "0", *arguments, status=None)
    assert down.status == 0, f"after a kill at {point}: {down}"
    assert lab.leftovers(files="-v" in arguments) == [], point
    assert not os.path.exists(lab.run_directory), point
    drafts = [name for _, folders, files in os.walk(lab.data) for name in folders + files if name.startswith(".")]
    assert drafts == [], f"after a kill at {point}: {drafts}"


def test_record_lasts_before_a_guest_runs(world):
    """What a power cut would take back is synced before the guest's first instruction: of each VM, and of the project."""
    lab = world.lab(FAKES, fake=True)
    output = world.path("order.strace")
    lab.drover("--parallel", "1", "up", wrap=["strace", "-y", "-s", "64", "-o", output, "-e", "trace=fsync,rename,sendmsg"])
    with open(output, encoding="utf-8", errors="replace") as file:
        lines = [line for line in file if line.startswith(("fsync", "rename")) or r'\"cont\"' in line]
    runs = [number for number, line in enumerate(lines) if "sendmsg" in line]
    assert len(runs) == 2, lines
    for vm, run in zip(("one", "two"), runs):
        for path in (f"{lab.data}/vms/{vm}", lab.data):
            put = max(number for number, line in enumerate(lines[:run]) if f'{path}/s' in line and ".json" in line)
            assert any(line.startswith("fsync(") and f"<{path}>" in line for line in lines[put:run]), (vm, path, lines)


def test_helper_killed(world):
    """The helper in the namespace killed in the middle of up: an error that says so, and the next up converges."""
    lab = world.lab(FAKES.replace("one: {<<: *fake,", "one: {<<: *fake, qemu_args: [-fake, slow=300],"), fake=True)
    up = lab.begin("--parallel", "1", "up")
    host.wait_until(lambda: any("guest=" in arguments for arguments in host.processes(lab.name).values()), "a QEMU runs")
    with open(f"/proc/{up.pid}/task/{up.pid}/children", encoding="ascii") as file:
        children = [int(pid) for pid in file.read().split()]
    (helper,) = [pid for pid in children if os.readlink(f"/proc/{pid}/exe") == world.programs.drover and
                 os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")]
    host.end_process(helper)
    err = up.communicate(timeout=60)[1]
    assert up.returncode == 1 and "error: " in err, (up.returncode, err)
    assert_converges(lab, "helper")


def test_what_cannot_be_read(world):
    """A directory that cannot be read is not one without VMs, nor a record one that is not there: down says why it failed."""
    lab = world.lab("vms:\n  one: {<<: *fake}\n", fake=True)
    output = world.path("unread.strace")
    for path, call in ((f"{lab.data}/vms", "getdents64"), (lab.vm_data("one", "spec.json"), "read")):
        for number in range(1, 20):
            lab.drover("up")
            wrap = ["strace", "-o", output, "-P", path, "-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={number}"]
            down = lab.drover("--parallel", "1", "down", "-t", "0", status=None, wrap=wrap)
            with open(output, encoding="utf-8") as file:
                reached = "INJECTED" in file.read()
            assert (down.status == 0 and lab.leftovers() == []) or "Input/output error" in down.err, f"{call} {number}: {down}"
            if not reached:
                break
        assert number > 1 and not reached, number


def test_killed_before_the_pid_file(world):
    """A QEMU that holds its lock and has no pid file yet when drover is killed: down waits for the file, and ends it."""
    lab = world.lab("vms:\n  one: {<<: *fake, qemu_args: [-fake, late=700]}\n", fake=True)
    up = lab.begin("--parallel", "1", "up")
    host.wait_until(lambda: any("guest=" in arguments for arguments in host.processes(lab.name).values()), "a QEMU runs")
    os.kill(up.pid, signal.SIGKILL)
    up.communicate(timeout=60)
    assert not os.path.exists(f"{lab.data}/vms/one/own/qemu.pid"), "it was not late"
    assert_goes_down(lab, "before the pid file")


def test_killed_when_it_has_told_qemu_to_end(world):
    """Such a QEMU may say that all is well, and ends a moment later: the next up or start sees to its end and starts it."""
    lab = world.lab("vms:\n  one: {<<: *fake, stop_grace_period: 0s, qemu_args: [-fake, lingers, -fake, noacpi]}\n", fake=True)

    def signalled(verb, pid):  # it has had SIGTERM, and is not let go on
        killed = ["strace", "-o", "/dev/null", "-e", "inject=pidfd_send_signal:signal=KILL:when=2"]
        assert lab.drover("--parallel", "1", verb, "-t", "0", status=None, wrap=killed).status in (-9, 137), verb

    def in_its_grace(verb, pid):
        drover = lab.begin(verb, "-t", "60")
        host.wait_until(lambda: os.stat(lab.vm_data("one", "alive")).st_size, "its end is begun")
        drover.kill()
        drover.communicate(timeout=60)
        os.kill(pid, signal.SIGTERM)  # the first, which it does not come to

    lab.drover("up")
    for cut_short, verb, again in ((signalled, "stop", "up"), (in_its_grace, "stop", "up"), (signalled, "restart", "start")):
        before = lab.pids()["one"]
        cut_short(verb, before)
        assert (lab.states(), lab.pids()) == ({"one": "running"}, {"one": before}), verb
        plan = lab.drover("plan", "--exit-code", status=2)
        assert "restart vm one (its stop was cut short)" in plan.out, plan
        lab.drover(again)
        assert lab.pids()["one"] != before and lab.states() == {"one": "running"}, (cut_short, verb, again)
        lab.assert_satisfied()
    os.kill(lab.pids()["one"], signal.SIGTERM)


def test_killed_when_it_was_to_tell_dnsmasq_to_end(world):
    """A dnsmasq that has been told to end, or is about to be, is one that nobody relies on."""
    lab = world.lab("networks:\n  lan: {subnet: 10.40.0.0/24, mode: isolated}\nvms:\n  one: {<<: *fake, networks: [lan]}\n",
                    fake=True)
    lab.drover("up")
    before = lab.dnsmasq()
    # QEMU has had two signals; it is killed before the third, so that dnsmasq for its part stands for one that is slow.
    killed = ["strace", "-o", "/dev/null", "-e", "inject=pidfd_send_signal:signal=KILL:when=3"]
    assert lab.drover("--parallel", "1", "down", "-t", "0", status=None, wrap=killed).status in (-9, 137)
    assert lab.dnsmasq() == before and lab.states() == {}, lab.states()
    assert_converges(lab, "the signal to dnsmasq")
    assert len(before) == 1 and lab.dnsmasq() != before


def test_empty_directory_that_stays(world):
    """What `down -v` has removed last is told of like all else when it is still there."""
    lab = world.lab("vms:\n  one: {<<: *fake}\n", fake=True)
    lab.drover("up")
    broken = ["strace", "-o", "/dev/null", "-P", lab.data, "-e", "inject=rmdir:error=EIO"]
    down = lab.drover("down", "-v", "-y", "-t", "0", status=1, wrap=broken)
    assert f"error: cannot remove '{lab.data}': Input/output error" in down.err, down
    assert_goes_down(lab, "an empty directory", "-v", "-y")


def test_killed_before_the_namespace_has_its_name(world):
    """The empty file that a name is mounted on, left by a kill before the mount: down removes it, and no other file."""
    lab = world.lab(FAKES, fake=True)
    name = f"/run/netns/drover-{lab.name}"
    os.makedirs("/run/netns", exist_ok=True)
    with open(name, "w", encoding="ascii") as file:
        file.write("somebody's")
    assert "nothing to do" in lab.drover("down").err and os.path.exists(name)
    os.unlink(name)
    os.close(os.open(name, os.O_CREAT | os.O_RDONLY, 0))
    lab.drover("down")
    assert not os.path.exists(name)
    assert "nothing to do" in lab.drover("down").err


def test_users_cannot_be_looked_up(world):
    """A user whom a broken lookup does not find is no user who does not exist: dnsmasq never runs as another for that."""
    lab = world.lab(FAKES, fake=True)
    user = pwd.getpwnam("dnsmasq").pw_uid
    for moment in "1+", *range(1, 7):
        broken = ["strace", "-o", "/dev/null", "-P", "/etc/passwd", "-e", f"inject=openat:error=EMFILE:when={moment}"]
        up = lab.drover("--parallel", "1", "up", wrap=broken, status=None)
        assert up.status == 0 or "cannot look up user" in up.err, up
        assert moment != "1+" or up.status == 1, up
        assert {os.stat(f"/proc/{pid}").st_uid for pid in lab.dnsmasq()} <= {user}, (moment, up)
        assert_goes_down(lab, moment)
