"""test_lab.py - the main way, with real guests: up, addresses and names, no-op, a change, down"""

import os
import re

import host
import strace

PAIR = """
networks:
  lan: {subnet: 10.20.0.0/24, mode: isolated}
disks:
  data: {size: 64M}
vms:
  web: {<<: *guest, networks: {lan: {ip: 10.20.0.10}}, disks: [data]}
  client: {<<: *guest, networks: {lan: {ip: 10.20.0.20}}, depends_on: [web]}
"""


def test_two_vms_from_up_to_down(world):
    """Reservations, names, the named disk; what down leaves and says; the disk and all identity are there again afterwards."""
    lab = world.lab(PAIR)
    up = lab.drover("up")
    assert "drover console web" in up.err, up
    first = {name: lab.console(name).ready() for name in ("web", "client")}
    assert first["web"]["address"] == "10.20.0.10" and first["web"]["hostname"] == "web", first
    assert first["client"]["address"] == "10.20.0.20" and first["client"]["domain"] == f"{lab.name}.test", first
    assert re.search(r"^guest: data on \w+ boots=1$", lab.console("web").text(), re.MULTILINE)
    assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
    assert lab.shell("client", f"wget -qO- http://web.{lab.name}.test/") == "hello from web\n"
    assert "10.20.0.20" in lab.shell("web", "nslookup client")

    vms = lab.vms()
    assert {vm["state"] for vm in vms.values()} == {"running"} and not any(vm["pending"] for vm in vms.values()), vms
    assert [(address["ip"], address["source"]) for address in vms["web"]["addresses"]] == [("10.20.0.10", "reservation")]
    assert vms["web"]["acceleration"] == "tcg" and vms["web"]["memory_bytes"] == 128 << 20
    for vm in vms.values():
        status = open(f"/proc/{vm['pid']}/status", encoding="ascii").read()
        assert not re.search(r"^Uid:.*\b0\b", status, re.MULTILINE), "QEMU runs as root"
        assert re.search(r"^CapEff:\s*0+$", status, re.MULTILINE), "QEMU has capabilities"

    down = lab.drover("down", "-t", "20")
    assert "kept disk: data ('drover down -v' removes it)" in down.err, down
    assert lab.leftovers() == [] and not os.path.exists(lab.run_directory)
    assert [os.path.basename(path) for path in host.disk_files(lab.data)] == ["data.0.qcow2"]
    assert "nothing to do" in lab.drover("down").err
    assert lab.vms() == {}

    lab.drover("up")
    again = {name: lab.console(name).ready() for name in ("web", "client")}
    assert again == first, "after down and up the guests are not the same"
    assert "guest: data on vda boots=2" in lab.console("web").text()
    lab.drover("down", "-v", "-y", "-t", "0")
    assert lab.leftovers(files=True) == [] and os.listdir(world.path("data")) == [] and os.listdir(world.path("run")) == []


def test_second_up_changes_nothing(world):
    """A second up says that there is nothing to do, and makes no system call that changes anything; so do plan and ps."""
    lab = world.lab(PAIR)
    lab.drover("up")
    pids = lab.pids()
    result = lab.drover("up")
    assert "nothing to do: 2 VMs as the file says" in result.err and result.out == "", result
    assert strace.mutations(lab, "up", harmless=r'open\w*\(.*/lock"') == []
    assert strace.mutations(lab, "plan") == []
    assert strace.mutations(lab, "ps") == []
    assert lab.pids() == pids


def test_plan_of_a_new_project_changes_nothing(world):
    """plan and up --dry-run print what up would do, and touch nothing: no file, no namespace, no link."""
    lab = world.lab(PAIR)
    before = sorted(os.listdir(world.directory))
    assert strace.mutations(lab, "plan") == []
    plan = lab.drover("plan", "--exit-code", status=2)
    for line in ("create network lan", "create dnsmasq", "create disk data", "create vm web", "create vm client"):
        assert line in plan.out, plan
    assert "plan: " in plan.out and "acceleration: tcg" in plan.out and "256M of memory" in plan.out, plan
    assert strace.mutations(lab, "up", "--dry-run") == []
    assert [name for name in sorted(os.listdir(world.directory)) if not name.endswith(".strace")] == before
    assert lab.netns() == []


def test_memory_waits_for_a_restart(world):
    """A change of memory is shown and left pending by up; up --restart applies it, and touches no other VM."""
    lab = world.lab(PAIR)
    lab.drover("up")
    web, client = lab.console("web"), lab.console("client")
    web.ready()
    client.ready()
    pids = lab.pids()
    small = int(re.search(r"MemTotal: +(\d+)", lab.shell("web", "cat /proc/meminfo")).group(1))

    lab.replace("web: {<<: *guest,", "web: {<<: *guest, memory: 160M,")
    plan = lab.drover("plan", "--exit-code", status=2)
    assert "restart required vm web" in plan.out and "    memory: 128M → 160M (restart)\n" in plan.out, plan
    up = lab.drover("up")
    assert "restart required for vm 'web': memory: 128M → 160M" in up.err and "drover up --restart" in up.err, up
    assert lab.pids() == pids
    change = {"key": "memory", "from": "128M", "to": "160M", "change": "restart", "drift": False}
    assert lab.vms()["web"]["pending"] == [change] and lab.vms()["client"]["pending"] == []
    assert "memory: 128M → 160M" in lab.drover("ps").out
    assert [step["action"] for step in lab.plan()["steps"]] == ["pending"]
    assert [step["action"] for step in lab.plan("--restart")["steps"]] == ["restart"]

    web.skip()
    lab.drover("up", "--restart")
    assert web.wait("power button pressed", 5), "it was not asked to shut down"
    web.ready()
    large = int(re.search(r"MemTotal: +(\d+)", lab.shell("web", "cat /proc/meminfo")).group(1))
    assert 28 << 10 <= large - small <= 36 << 10, (small, large)
    assert lab.pids()["client"] == pids["client"] and lab.pids()["web"] != pids["web"]
    assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
    lab.assert_satisfied()


def test_vm_and_network_come_and_go(world):
    """A VM and a network are added beside those that run; taken out of the file, they stay until --remove-orphans."""
    lab = world.lab(PAIR)
    lab.drover("up")
    pids = lab.pids()
    lab.console("web").ready()
    lab.console("client").ready()
    lab.replace("disks:\n", "  dmz: {subnet: 10.21.0.0/24, mode: isolated}\ndisks:\n")
    lab.replace("vms:\n", "vms:\n  third: {<<: *guest, networks: {lan: {ip: 10.20.0.30}, dmz: {ip: 10.21.0.30}}}\n")
    lab.drover("up")
    third = {ready["address"] for ready in (lab.console("third").ready(), lab.console("third").ready())}
    assert third == {"10.20.0.30", "10.21.0.30"}
    assert lab.shell("third", "wget -qO- http://web/") == "hello from web\n"
    assert {name: pid for name, pid in lab.pids().items() if name != "third"} == pids
    dnsmasq = lab.dnsmasq()
    assert len(dnsmasq) == 1 and lab.bridge("dmz")

    lab.write(PAIR)
    up = lab.drover("up")
    assert "vm 'third' is kept: no longer in the file; --remove-orphans removes it" in up.err, up
    assert lab.states()["third"] == "running" and not lab.vms()["third"]["in_file"] and lab.bridge("dmz")
    lab.drover("up", "--remove-orphans", timeout=60)
    assert "third" not in lab.vms()
    lab.drover("up")
    assert lab.bridge("dmz") is None and lab.bridge("lan")
    assert lab.pids() == pids and len(lab.dnsmasq()) == 1
    assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
    lab.assert_satisfied()


def test_changed_reservation(world):
    """A changed address is taken over by dnsmasq and by the guest's next DHCP exchange; no process is touched."""
    lab = world.lab(PAIR)
    lab.drover("up")
    lab.console("client").ready()
    assert lab.console("web").ready()["address"] == "10.20.0.10"
    pids, dnsmasq = lab.pids(), lab.dnsmasq()
    lab.replace("10.20.0.10", "10.20.0.77")
    plan = lab.drover("plan")
    assert "networks.lan.ip: 10.20.0.10 → 10.20.0.77 (live)" in plan.out, plan
    assert "vm 'web' takes its new address on network 'lan' when it renews its lease, within 30m" in plan.out + plan.err, plan
    lab.drover("up")
    assert lab.pids() == pids and lab.dnsmasq() == dnsmasq
    (address,) = lab.vms()["web"]["addresses"]
    assert (address["ip"], address["source"]) == ("10.20.0.10", "lease"), "the guest has the old one until it renews its lease"
    lab.shell("web", "killall -USR1 udhcpc")
    assert lab.console("web").ready()["address"] == "10.20.0.77"
    assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
    assert lab.drover("ip", "web", "--format", "plain").out == "10.20.0.77\n"
    lab.assert_satisfied()
    lab.drover("kill", "web")
    lab.replace("10.20.0.77", "10.20.0.78")
    lab.drover("up", "--paused")
    (address,) = lab.vms()["web"]["addresses"]
    assert (address["ip"], address["source"]) == ("10.20.0.78", "reservation"), "a guest's start ends what it had before"


def test_same_lab_twice(world):
    """Two copies of a lab with the same addresses run side by side in private isolation, and do not see each other."""
    labs = [world.lab(PAIR, name=name) for name in ("a", "b")]
    for lab in labs:
        lab.drover("up")
    for lab in labs:
        assert [lab.console(name).ready()["address"] for name in ("web", "client")] == ["10.20.0.10", "10.20.0.20"]
    labs[0].shell("web", "echo hello from the first > /www/index.html")
    pages = [lab.shell("client", "wget -qO- http://10.20.0.10/") for lab in labs]
    assert pages == ["hello from the first\n", "hello from web\n"]
    labs[0].drover("down", "-t", "0")
    assert labs[0].leftovers() == []
    assert set(labs[1].states().values()) == {"running"}
    assert labs[1].shell("client", "wget -qO- http://web/") == "hello from web\n"
    labs[1].assert_satisfied()
