"""test_repair.py - the world changes behind drover's back: up repairs what was broken, ps tells the truth"""

import os
import re
import shutil
import signal
import subprocess

import host

ONE = """
networks:
  lan: {subnet: 10.30.0.0/24, mode: isolated}
vms:
  web: {<<: *guest, networks: {lan: {ip: 10.30.0.10}}}
  client: {<<: *guest, networks: {lan: {ip: 10.30.0.20}}}
"""

FAKES = """
networks:
  lan: {subnet: 10.30.0.0/24, mode: isolated}
vms:
  one: {<<: *fake, networks: [lan]}
  two: {<<: *fake, networks: [lan]}
"""


def actions(lab, *arguments):
    return {(step["kind"], step["name"]): step["action"] for step in lab.plan(*arguments)["steps"]}


def tap_of(lab, vm):
    return next(link["ifname"] for link in lab.links().values() if link.get("ifalias") == f"drover:{lab.name}/{vm}/lan")


def test_bridge_deleted_and_dnsmasq_killed(world):
    """Without a supervisor plan shows both, up repairs both, no VM is touched; the guests reach each other and DHCP again."""
    lab = world.lab(ONE)
    lab.drover("up")
    for name in ("web", "client"):
        lab.console(name).ready()
    pids, bridge = lab.pids(), lab.bridge("lan")
    host.command("ip", "-n", f"drover-{lab.name}", "link", "delete", bridge["ifname"])
    for pid in lab.supervisors() + lab.dnsmasq():
        host.end_process(pid)

    assert actions(lab) == {("network", "lan"): "repair", ("service", ""): "create", ("supervisor", ""): "repair"}
    plan = lab.drover("plan", "--exit-code", status=2)
    assert "repair network lan" in plan.out and "taps off the bridge: 2 → 0" in plan.out, plan
    lab.drover("up")
    assert lab.pids() == pids
    assert lab.bridge("lan")["address"] == bridge["address"] and len(lab.dnsmasq()) == 1
    taps = [link for link in lab.links().values() if link.get("master") == bridge["ifname"]]
    assert len(taps) == 2 and all("UP" in tap["flags"] for tap in taps), lab.links()
    assert lab.shell("client", "ping -c 1 -w 5 10.30.0.1 >/dev/null && wget -qO- http://web/") == "hello from web\n"
    lab.assert_satisfied()


def test_bridge_address_and_state(world):
    """An address that was removed, a link that was set down, a tap that was taken off: each is seen and mended in place."""
    lab = world.lab(FAKES.replace("vms:", "  dmz: {subnet: 10.31.0.0/24}\nvms:"), fake=True)
    lab.drover("up")
    namespace, bridge, other, pids = f"drover-{lab.name}", lab.bridge("lan"), lab.bridge("dmz"), lab.pids()
    tap = tap_of(lab, "one")
    for line in (f"address flush dev {bridge['ifname']}", f"address add 10.30.0.9/24 dev {bridge['ifname']}",
                 f"link set {bridge['ifname']} down", f"link set {bridge['ifname']} mtu 1300",
                 f"link set {bridge['ifname']} alias other", f"link set {tap} nomaster", f"link set {tap} down",
                 f"link set {tap} mtu 1400", f"link set {tap} alias other", f"link set {tap} master {other['ifname']}"):
        host.command("ip", "-n", namespace, *line.split())
        assert "network lan" in lab.drover("plan", "--exit-code", status=2).out, line
        lab.drover("up")
        after = lab.bridge("lan")
        assert after and after["ifindex"] == bridge["ifindex"] and "UP" in after["flags"], line
        assert tap_of(lab, "one") == tap and "UP" in lab.links()[tap]["flags"], line
        assert lab.links()[tap]["master"] == bridge["ifname"] and lab.links()[tap]["mtu"] == after["mtu"] == 1500
        addresses = host.command("ip", "-n", namespace, "-brief", "address")
        assert "10.30.0.1/24" in addresses and "10.30.0.9" not in addresses, line
        lab.assert_satisfied()
    assert lab.pids() == pids


def test_dnsmasq_with_other_configuration(world):
    """A changed network setting restarts dnsmasq alone; a changed name is read without a restart."""
    lab = world.lab(FAKES, fake=True)
    lab.drover("up")
    pids, first = lab.pids(), lab.dnsmasq()
    lab.replace("one: {<<: *fake,", "one: {<<: *fake, hostname: uno,")
    lab.drover("up")
    assert lab.dnsmasq() == first and lab.pids() == pids
    for name in ("reservations", "names/names"):
        with open(os.path.join(lab.data, "dnsmasq", name), "a", encoding="ascii") as file:
            file.write("52:54:00:00:00:99,10.30.0.99,stranger\n" if name == "reservations" else "10.30.0.99 stranger\n")
        assert actions(lab) == {("service", ""): "update"}, "a file that was changed by hand"
        lab.drover("up")
        assert lab.dnsmasq() == first
    lab.replace("mode: isolated}", "mode: isolated, domain: other.test}")
    lab.drover("up")
    second = lab.dnsmasq()
    assert len(second) == 1 and second != first and lab.pids() == pids
    lab.assert_satisfied()


def test_supervisor_killed(world):
    """Killed, the supervisor loses nothing: plan shows that it is gone, up brings it back, no VM is touched."""
    lab = world.lab(FAKES, fake=True)
    lab.drover("up")
    pids, (first,) = lab.pids(), lab.supervisors()
    host.end_process(first)
    assert actions(lab) == {("supervisor", ""): "repair"}
    lab.drover("up")
    (second,) = lab.supervisors()
    assert second != first and lab.pids() == pids
    lab.assert_satisfied()
    lab.drover("restart")
    lab.assert_satisfied()
    assert len(lab.supervisors()) == 1
    lab.drover("down", "-t", "0")
    host.wait_until(lambda: not lab.supervisors(), "the supervisor ends with the last VM")


def test_supervisor_of_a_replaced_program(world):
    """A new release takes the program's name while drover runs: the supervisor starts all the same."""
    lab = world.lab(FAKES.replace("one: {<<: *fake,", "one: {<<: *fake, qemu_args: [-fake, slow=300],"), fake=True)
    program = world.path("drover")
    shutil.copy(world.programs.drover, program)
    up = subprocess.Popen([program, "up"], cwd=lab.directory, env=lab.environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    world.children.append(up)
    host.wait_until(lambda: any("guest=" in arguments for arguments in host.processes(lab.name).values()), "a QEMU runs")
    os.unlink(program)
    shutil.copy(world.programs.drover, program)
    err = up.communicate(timeout=60)[1]
    assert up.returncode == 0, err
    (supervisor,) = lab.supervisors()
    with open(f"/proc/{supervisor}/comm", encoding="ascii") as file:
        assert file.read() == "drover\n"
    assert host.processes(lab.data)[supervisor].startswith("drover supervise ")


def test_what_qemu_may_write(world):
    """As root, QEMU's user owns the directory of its pid file and its disks, and nothing in which root opens files by name."""
    lab = world.lab(FAKES, fake=True)
    lab.drover("up")
    for path in lab.vm_data("one"), lab.vm_data("one", "spec.json"), lab.data, os.path.join(lab.data, "state.json"):
        assert os.stat(path).st_uid == 0, path
    assert os.stat(lab.vm_data("one", "own")).st_uid != 0


def test_flushed_firewall(world):
    """Rules that were flushed by hand come back with up, in the project's own table."""
    lab = world.lab(FAKES.replace("mode: isolated", "mode: nat"), fake=True)
    lab.drover("up")
    prefix = ["ip", "netns", "exec", f"drover-{lab.name}", "nft"]
    rules = host.command(*prefix, "list", "ruleset")
    assert f"table inet drover-{lab.name}" in rules and "masquerade" in rules
    table = f"table inet drover-{lab.name}"
    forward = rules.split("chain forward {", 1)[1].split("}", 1)[0].strip().splitlines()
    # Other rules, but as many of them.
    other = f"flush chain {table[6:]} forward; " + "; ".join(f"add rule {table[6:]} forward accept" for _ in forward[1:])
    for argv in (["flush", "ruleset"], ["flush", *table.split()], [other]):
        host.command(*prefix, *argv)
        assert ("firewall", "") in actions(lab)
        lab.drover("up")
        assert re.sub(r"handle \d+", "", host.command(*prefix, "list", "ruleset")) == rules
    lab.assert_satisfied()


def test_killed_from_outside(world):
    """A QEMU that was killed is `crashed`, and plain up starts it again with the disk that it had."""
    lab = world.lab(ONE.replace("web: {<<: *guest,", "web: {<<: *guest, disks: [{name: data, size: 64M}],"))
    lab.drover("up")
    assert lab.console("web").ready()["address"] == "10.30.0.10"
    pids = lab.pids()
    host.end_process(pids["web"], signal.SIGKILL)
    assert lab.states() == {"web": "crashed", "client": "running"}
    assert "crashed" in lab.drover("ps").out
    assert actions(lab) == {("vm", "web"): "start"}
    lab.drover("up")
    lab.console("web").wait("boots=2")
    lab.console("web").ready()
    assert lab.pids()["client"] == pids["client"]
    lab.assert_satisfied()


def test_guest_powers_off_and_stop(world):
    """A guest that powers itself off is stopped, no error; stop is ACPI, and a power cut after the grace period."""
    deaf = f"client: {{<<: *guest, {world.boot('drover.noacpi')}, stop_grace_period: 1s,"
    lab = world.lab(ONE.replace("client: {<<: *guest,", deaf))
    lab.drover("up")
    for name in ("web", "client"):
        lab.console(name).ready()
    lab.shell("web", "(sleep 0.2; poweroff -f) & true")
    lab.drover("wait", "web", "--for", "stopped", "--timeout", "20")
    assert lab.states() == {"web": "stopped", "client": "running"}
    assert not os.path.exists(os.path.join(lab.vm_data("web"), "own", "qemu.pid"))

    lab.drover("start", "web")
    lab.console("web").ready()
    lab.drover("stop", "web")
    lab.console("web").wait("power button pressed", 1)
    client = lab.pids()["client"]
    lab.drover("stop", "client")
    assert "power button pressed" not in lab.console("client").text() and not os.path.exists(f"/proc/{client}/fd/0")
    assert lab.states() == {"web": "stopped", "client": "stopped"}


def test_crash_loop_of_qemu_is_told(world):
    """A QEMU that dies at once is an error with its own words; the other VMs are started nevertheless."""
    lab = world.lab(FAKES.replace("one: {<<: *fake,", "one: {<<: *fake, qemu_args: [-fake, die],"), fake=True)
    up = lab.drover("up", status=1)
    assert "cannot start vm 'one'" in up.err and "it dies as it was asked to" in up.err, up
    assert lab.states()["two"] == "running" and lab.states().get("one") != "running"
    lab.replace("qemu_args: [-fake, die],", "")
    lab.drover("up")
    assert set(lab.states().values()) == {"running"}


def test_bridge_changes_in_place(world):
    """host_ip, mtu and the bridge's name change under running VMs: what was is gone, what is wanted stays, no VM is touched."""
    lab = world.lab(FAKES, fake=True)
    lab.drover("up")
    pids = lab.pids()

    def addresses():
        return re.findall(r"\d+\.\d+\.\d+\.\d+/\d+", host.command("ip", "-n", f"drover-{lab.name}", "-4", "-brief", "address"))

    assert "10.30.0.1/24" in addresses()
    lab.replace("mode: isolated}", "mode: isolated, host_ip: 10.30.0.7}")
    assert "host_ip: 10.30.0.1/24 → 10.30.0.7/24" in lab.drover("plan").out
    lab.drover("up")
    assert "10.30.0.7/24" in addresses() and "10.30.0.1/24" not in addresses()
    lab.assert_satisfied()

    lab.replace("host_ip: 10.30.0.7}", "host_ip: none, dhcp: false}")
    lab.drover("up")
    assert not [address for address in addresses() if address.startswith("10.30.")], addresses()
    lab.assert_satisfied()

    lab.replace("host_ip: none, dhcp: false}", "bridge: br-other}")
    lab.drover("up")
    bridges = [link for link in lab.links().values() if link.get("ifalias") == f"drover:{lab.name}/lan"]
    assert [link["ifname"] for link in bridges] == ["br-other"]
    assert sorted(link.get("master") or "" for link in lab.links().values()) == ["", "br-other", "br-other"]
    lab.assert_satisfied()
    assert lab.pids() == pids


def tap_mtus(lab):
    return sorted(link["mtu"] for link in lab.links().values() if link.get("master"))


def test_mtu_reaches_the_guest_with_a_restart(world):
    """The bridge has a new MTU at once; what the NICs tell their guests waits, is shown, and is done by --restart."""
    lab = world.lab(FAKES, fake=True)
    lab.drover("up")
    lab.replace("mode: isolated}", "mode: isolated, mtu: 1400}")
    up = lab.drover("up")
    assert lab.bridge("lan")["mtu"] == 1400
    assert "restart required for vm 'one': networks.lan.mtu: 1500 → 1400" in up.err and "  drover up --restart" in up.err, up
    assert actions(lab) == {("vm", "one"): "pending", ("vm", "two"): "pending"}
    plan = lab.drover("plan").out
    assert "! restart required vm one\n    networks.lan.mtu: 1500 → 1400 (restart)\n" in plan, plan
    assert plan.endswith("plan: 2 pending\n  drover up --restart\n"), plan
    assert lab.vms()["one"]["pending"], lab.vms()
    assert lab.drover("ps").out.count("networks.lan.mtu: 1500 → 1400 (restart required)") == 2
    assert "pending                  networks.lan.mtu: 1500 → 1400 (restart required)" in lab.drover("inspect", "one").out
    assert lab.drover("inspect", "one", "--format", "json").json()["pending"] == lab.vms()["one"]["pending"]
    assert tap_mtus(lab) == [1500, 1500], "what a guest was told of still gets through"
    lab.drover("up", "--restart", "-t", "0")
    lab.assert_satisfied()
    assert tap_mtus(lab) == [1400, 1400]

    lab.replace("two: {<<: *fake, networks: [lan]}", "two: {<<: *fake, networks: {lan: {mtu: 1300}}}")
    lab.drover("up")
    assert [change["key"] for change in lab.vms()["two"]["pending"]] == ["networks.lan.mtu"] and not lab.vms()["one"]["pending"]
    host.command("ip", "-n", f"drover-{lab.name}", "link", "set", tap_of(lab, "two"), "mtu", "1200")
    assert "taps with another mtu or alias: 1 → 0" in lab.drover("plan").out
    lab.drover("up", "--restart", "-t", "0")
    lab.assert_satisfied()
    assert tap_mtus(lab) == [1300, 1400] and lab.bridge("lan")["mtu"] == 1400
    lab.replace("{lan: {mtu: 1300}}", "{lan: {mtu: 1350, model: e1000}}")
    lab.drover("up", "--restart", "-t", "0")
    lab.replace("mtu: 1350", "mtu: 1340")
    assert actions(lab) == {("network", "lan"): "repair", ("service", ""): "update", ("vm", "two"): "update"}, "by DHCP"
    lab.drover("up")
    lab.assert_satisfied()
    assert tap_mtus(lab) == [1340, 1400]


def test_mtu_outlives_the_ports(world):
    """A bridge keeps the MTU of the file when the last VM on it stops."""
    lab = world.lab(FAKES.replace("mode: isolated}", "mode: isolated, mtu: 1400}"), fake=True)
    lab.drover("up")
    lab.drover("stop", "-t", "0", "one", "two")
    assert lab.bridge("lan")["mtu"] == 1400
    assert ("network", "lan") not in actions(lab)
