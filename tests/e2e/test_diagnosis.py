"""test_diagnosis.py - a start that fails explains itself: how far it came, the likely cause, the next command"""

import host

LAB = """
networks:
  lan: {{subnet: 10.30.0.0/24, mode: isolated}}
x-check: &check {{interval: 200ms, timeout: 300ms, retries: 1000}}
vms:
  mute: {{<<: *guest, networks: {{lan: {{ip: 10.30.0.10}}}}, {mute}, healthcheck: {{<<: *check, tcp: 80}}}}
  closed: {{<<: *guest, networks: {{lan: {{ip: 10.30.0.11}}}}, healthcheck: {{<<: *check, tcp: 99}}}}
  panics: {{<<: *guest, networks: [lan], {panics}, healthcheck: {{<<: *check, tcp: 99}}}}
  small: {{<<: *guest, memory: 64M, networks: [], healthcheck: {{<<: *check, tcp: 80}}}}
  empty: {{memory: 64M, disk: 1M, networks: [lan], healthcheck: {{<<: *check, tcp: 80}}}}
"""


def hints(result):
    return [line.strip() for line in result.err.splitlines()[1:]]


def test_guests(world):
    """No DHCP, a closed port, a panic, too little memory, an empty disk: each is told apart, by `wait` and by `up --wait`."""
    lab = world.lab(LAB.format(mute=world.boot("drover.nodhcp"), panics=world.boot("panic=0 drover.panic")))
    up = lab.drover("up", "--wait", "--wait-timeout", "60", status=1)
    assert "error: vm 'panics' is unhealthy: its guest has panicked\n" in up.err, up
    told = lab.drover("wait", "panics", status=1)
    assert "likely: the guest's kernel gave up: Kernel panic - not syncing: sysrq triggered crash" in hints(told), told
    assert any(line.startswith("console: ") for line in hints(told)) and "'drover logs panics' shows its console" in hints(told)
    lab.console("closed").ready()
    lab.console("mute").ready()

    told = lab.drover("wait", "mute", "--timeout", "100ms", status=7)
    assert "after 0.1 s, still not healthy: 'mute'\n" in told.err, told
    assert "reached: QEMU up, firmware, kernel; not: DHCP discover" in hints(told), told
    assert any(line.startswith("likely: the guest never asked for an address") for line in hints(told)), told

    told = lab.drover("wait", "closed", "--timeout", "1s", status=7)
    assert ("reached: QEMU up, firmware, kernel, DHCP discover, DHCP offer, DHCP ack, 10.30.0.11 answers; not: port 99 open"
            in hints(told)), told
    assert "healthcheck: port 99 of 10.30.0.11: Connection refused" in hints(told), told
    assert "likely: nothing in the guest listens on port 99, or its firewall is in the way" in hints(told), told

    told = lab.drover("wait", "small", "--timeout", "100ms", status=7)
    assert any(line.startswith("likely: the guest has reset itself ") and "64M of memory may be too little" in line
               for line in hints(told)), told

    told = lab.drover("wait", "empty", "--timeout", "100ms", status=7)
    assert "reached: QEMU up, firmware; not: kernel" in hints(told) and "console: it has shown nothing" in hints(told), told
    assert any(line.startswith("likely: the firmware found nothing that boots") for line in hints(told)), told


def test_ended(world):
    """A VM that ends while it is waited for ends the wait; one that its policy starts again does not."""
    lab = world.lab("vms:\n  one: {<<: *fake, networks: []}\n", fake=True)
    lab.drover("up", "--paused")
    wait = lab.begin("wait", "one", "--for", "running")
    host.wait_until(lambda: host.inotify_watches(wait.pid), "it waits")
    host.end_process(lab.pids()["one"])
    err = wait.communicate(timeout=30)[1]
    assert wait.returncode == 1 and "vm 'one' has crashed" in err and "likely: its QEMU was killed or died" in err, err
    lab.replace("networks: []", "networks: [], restart: always")
    lab.drover("up", "--paused")
    wait = lab.begin("wait", "one", "--for", "running")
    host.wait_until(lambda: host.inotify_watches(wait.pid), "it waits")
    host.end_process(lab.pids()["one"])
    assert wait.communicate(timeout=30)[1] == "" and wait.returncode == 0


def test_no_kernel(world):
    """What QEMU says of a kernel that is none is told with the key that names it; nothing is left."""
    lab = world.lab("vms:\n  one: {memory: 64M, networks: [], boot: {kernel: ./kernel}}\n")
    with open(f"{lab.directory}/kernel", "wb") as file:
        file.write(b"no kernel at all\n" * 1000)
    told = lab.drover("up", status=1)
    assert "cannot start vm 'one': QEMU: " in told.err, told
    assert "'boot.kernel' names a file that is no kernel which QEMU can start" in hints(told), told
    assert lab.states() == {"one": "stopped"} and not lab.pids()["one"]


def test_no_memory(world):
    """Memory that the host does not give is told with what was asked for."""
    lab = world.lab("vms:\n  one: {memory: 2G, networks: []}\n", prefix=["prlimit", "--as=1500000000"])
    told = lab.drover("up", status=1)
    assert "cannot start vm 'one': QEMU: " in told.err and "cannot set up guest memory" in told.err, told
    assert "this host cannot give it so much memory now: write less, or stop other VMs" in hints(told), told
