"""test_live.py - a VM that runs is changed by editing the file: up plugs in, takes out, moves and grows; nothing restarts"""

import json
import os
import socket

import host
from qemu import Monitor

NICS = """
networks:
  lan: {subnet: 10.40.0.0/24, mode: isolated}
  dmz: {subnet: 10.41.0.0/24, mode: isolated}
vms:
  web: {<<: *guest, networks: {lan: {ip: 10.40.0.10}}}
"""

DISKS = """
disks: {shared: 32M}
vms:
  one: {<<: *guest, networks: [], disk: 16M, disks: [{name: data, size: 64M}]}
  two: {<<: *guest, networks: []}
"""


def actions(lab, *arguments):
    return {(step["kind"], step["name"]): step["action"] for step in lab.plan(*arguments)["steps"]}


def changes(lab, kind, name):
    return {change["key"]: change for step in lab.plan()["steps"] if (step["kind"], step["name"]) == (kind, name)
            for change in step["changes"]}


def tap_of(lab, nic):
    return next((link for link in lab.links().values() if link.get("ifalias") == f"drover:{lab.name}/{nic}"), None)


def sectors(lab, vm, disk):
    """What the guest says of the disk with this serial: its size in sectors of 512 bytes; None where it has none."""
    text = lab.shell(vm, f'for d in /sys/block/vd*; do [ "$(cat $d/serial)" = {disk} ] && cat $d/size; done; true')
    return int(text) if text.strip() else None


def test_nic(world):
    """A NIC with an MTU of its own is added, gets its lease, moves to another network and goes again; QEMU stays the same."""
    lab = world.lab(NICS)
    lab.drover("up")
    lab.console("web").ready()
    pids = lab.pids()

    lab.replace("web: {<<: *guest, networks: {lan: {ip: 10.40.0.10}}}",
                "web: {<<: *guest, networks: {lan: {ip: 10.40.0.10}, more: {network: dmz, ip: 10.41.0.10, mtu: 1300}}}")
    assert actions(lab)[("vm", "web")] == "update"
    assert "networks.more: (none) → present (live)" in lab.drover("plan").out
    reservations = os.path.join(lab.data, "dnsmasq", "reservations")
    os.rename(reservations, reservations + ".old")
    os.mkdir(reservations)
    assert "cannot update DHCP and DNS" in lab.drover("up", status=1).err
    assert "nic-more" in Monitor(lab, "web").devices() and "master" not in tap_of(lab, "web/more"), "it waits for DHCP"
    os.rmdir(reservations)
    lab.drover("up")
    lab.assert_satisfied()
    assert "nic-more" in Monitor(lab, "web").devices()
    host.wait_until(lambda: "eth1" in lab.shell("web", "ls /sys/class/net"), "the guest has the NIC")
    assert lab.shell("web", "ip link set eth1 up; udhcpc -i eth1 -s /lease -n -q >/dev/null 2>&1; ip -4 address show eth1 |"
                            " grep -o 10.41.0.10/24").endswith("\n10.41.0.10/24\n")
    assert tap_of(lab, "web/more")["master"] == lab.bridge("dmz")["ifname"]
    assert [tap_of(lab, f"web/{nic}")["mtu"] for nic in ("lan", "more")] == [1500, 1300] and lab.bridge("dmz")["mtu"] == 1500
    assert lab.shell("web", "cat /sys/class/net/eth[01]/mtu; printf '#!/bin/sh\\necho $1=$mtu' >/mtu; chmod 755 /mtu;"
                            " udhcpc -i eth1 -s /mtu -O mtu -n -q 2>&1 | grep bound=") == "1500\n1300\nbound=1300\n"

    pulled, dnsmasq = int(lab.shell("web", "cat /sys/class/net/eth1/carrier_down_count")), lab.dnsmasq()
    lab.replace("more: {network: dmz, ip: 10.41.0.10, mtu: 1300}", "more: {network: lan, ip: 10.40.0.11, mtu: 1300}")
    lab.drover("up")
    lab.assert_satisfied()
    assert tap_of(lab, "web/more")["master"] == lab.bridge("lan")["ifname"]
    assert lab.dnsmasq() == dnsmasq, "it rereads its reservations"
    now = int(lab.shell("web", "cat /sys/class/net/eth1/carrier_down_count"))
    assert now == pulled + 1, "the guest has seen the cable move"
    assert lab.shell("web", "udhcpc -i eth1 -s /lease -n -q >/dev/null 2>&1; ip -4 address show eth1 |"
                            " grep -o 10.40.0.11/24").endswith("\n10.40.0.11/24\n")

    lab.replace(", more: {network: lan, ip: 10.40.0.11, mtu: 1300}", "")
    lab.drover("up")
    lab.assert_satisfied()
    assert "nic-more" not in Monitor(lab, "web").devices() and not tap_of(lab, "web/more")
    host.wait_until(lambda: "eth1" not in lab.shell("web", "ls /sys/class/net"), "the guest has lost the NIC")
    assert lab.pids() == pids and lab.shell("web", "ip -4 address show eth0 | grep -c 10.40.0.10/24") == "1\n"


def test_network_that_comes_and_goes(world):
    """A network and a NIC on it are added by one edit and removed by another: the bridge goes once the NIC is out. An mtu that
    the network gets meanwhile waits for a restart, or for the NIC to be plugged in anew."""
    lab = world.lab(NICS.replace("  dmz: {subnet: 10.41.0.0/24, mode: isolated}\n", ""))
    lab.drover("up")
    lab.console("web").ready()
    pids = lab.pids()
    with open(lab.file, encoding="utf-8") as file:
        before = file.read()
    lab.replace("mode: isolated}\n", "mode: isolated}\n  dmz: {subnet: 10.41.0.0/24, mode: isolated}\n")
    lab.replace("networks: {lan: {ip: 10.40.0.10}}}", "networks: {lan: {ip: 10.40.0.10}, dmz: {}}}")
    lab.drover("up")
    assert tap_of(lab, "web/dmz")["master"] == lab.bridge("dmz")["ifname"]
    lab.assert_satisfied()

    lab.replace("10.41.0.0/24, mode: isolated}", "10.41.0.0/24, mode: isolated, mtu: 1400}")
    lab.drover("up")
    assert "networks.dmz.mtu: 1500 → 1400 (restart)" in lab.drover("plan").out, "QEMU knows what it told the guest"
    assert "networks.dmz.mtu: 1500 → 1400 (restart required)" in lab.drover("ps").out
    lab.replace(", dmz: {}}}", "}}")
    lab.drover("up")
    lab.replace("{lan: {ip: 10.40.0.10}}}", "{lan: {ip: 10.40.0.10}, dmz: {}}}")
    lab.drover("up")
    lab.assert_satisfied()

    with open(lab.file, "w", encoding="utf-8") as file:
        file.write(before)
    lab.drover("up")
    assert not lab.bridge("dmz") and not tap_of(lab, "web/dmz")
    lab.assert_satisfied()
    assert lab.pids() == pids


def test_disks(world):
    """Disks of the VM's own and named ones grow, come and go under a guest that runs, and move from one VM to another."""
    lab = world.lab(DISKS)
    lab.drover("up")
    for name in ("one", "two"):
        lab.console(name).wait("guest# ")
    pids = lab.pids()
    assert sectors(lab, "one", "root") == 32768 and sectors(lab, "one", "data") == 131072

    lab.replace("disk: 16M", "disk: 24M")
    lab.replace("size: 64M", "size: 96M")
    assert set(changes(lab, "vm", "one")) == {"disk.size", "disks.data.size"}
    lab.drover("up")
    lab.assert_satisfied()
    assert sectors(lab, "one", "root") == 49152 and sectors(lab, "one", "data") == 196608

    lab.replace("{name: data, size: 96M}", "{name: data, size: 96M}, {name: more, size: 8M}, shared")
    lab.drover("up")
    lab.assert_satisfied()
    host.wait_until(lambda: sectors(lab, "one", "shared") == 65536, "the guest has the named disk")
    assert sectors(lab, "one", "more") == 16384
    lab.shell("one", "d=$(grep -l shared /sys/block/vd*/serial); d=${d%/serial}; echo kept > /dev/${d##*/}; sync")

    lab.replace("{name: data, size: 96M}, {name: more, size: 8M}, shared", "{name: more, size: 8M}")
    lab.drover("up")
    lab.assert_satisfied()
    assert sectors(lab, "one", "shared") is None and sectors(lab, "one", "data") is None
    monitor = Monitor(lab, "one")
    assert {"disk-root", "disk-more"} == {name for name in monitor.devices() if name.startswith("disk-")}
    assert not [node for node in monitor.nodes() if "shared" in node or "data" in node]
    assert os.path.exists(lab.vm_data("one", "data.0.qcow2")), "a disk that is taken out is not removed"

    lab.replace("shared: 32M", "shared: 48M")
    lab.replace("two: {<<: *guest, networks: []}", "two: {<<: *guest, networks: [], disks: [shared]}")
    lab.drover("up")
    lab.assert_satisfied()
    host.wait_until(lambda: sectors(lab, "two", "shared") == 98304, "the other guest has the disk")
    assert lab.shell("two", "head -c 4 /dev/vda; echo") == "kept\n"
    lab.replace("shared: 48M", "shared: 56M")
    lab.drover("up")
    assert sectors(lab, "two", "shared") == 114688
    assert lab.pids() == pids


def test_unplugged_by_hand(world):
    """A NIC and a disk that were taken out with a monitor come back, at the port that they had; nothing restarts."""
    lab = world.lab(NICS.replace("networks: {lan: {ip: 10.40.0.10}}", "disk: 16M, networks: {lan: {ip: 10.40.0.10}},"
                                                                      " disks: [{name: data, size: 8M}]"))
    lab.drover("up")
    lab.console("web").ready()
    pids, spec = lab.pids(), lab.spec("web")
    Monitor(lab, "web").unplug("nic-lan")
    Monitor(lab, "web").unplug("disk-data")
    plan = lab.drover("plan", "--exit-code", status=2).out
    assert "~ repair vm web\n" in plan and "networks.lan: (none) → present (drift)" in plan, plan
    assert "disks.data: (none) → present (drift)" in plan, plan
    lab.drover("up")
    lab.assert_satisfied()
    assert lab.pids() == pids and lab.spec("web")["ports"] == spec["ports"]
    host.wait_until(lambda: "eth0" in lab.shell("web", "ls /sys/class/net"), "the guest has its NIC again")
    lab.shell("web", "ip link set eth0 up; udhcpc -i eth0 -s /lease -n -q >/dev/null 2>&1; ip -4 address | grep 10.40.0.10/24")
    assert sectors(lab, "web", "data") == 16384


def test_paused_and_grown_by_hand(world):
    """A QEMU that was halted with its monitor goes on, and plan says why; a disk that was grown so is told and left alone."""
    lab = world.lab(DISKS)
    lab.drover("up")
    lab.console("one").wait("guest# ")
    pids = lab.pids()
    Monitor(lab, "one").call("stop")
    assert changes(lab, "vm", "one")["state"]["drift"] and actions(lab) == {("vm", "one"): "continue"}
    assert "state: paused → running (drift)" in lab.drover("plan").out
    lab.drover("up")
    lab.assert_satisfied()
    lab.drover("pause", "one")
    assert changes(lab, "vm", "one") == {}, "the user's own pause is no drift"
    lab.drover("up")

    Monitor(lab, "one").call("block_resize", {"node-name": "disk-data", "size": 128 << 20})
    plan = lab.drover("plan")
    assert "disk 'data' has 128M and is never shrunk to 64M" in plan.err, plan
    lab.drover("up")
    assert sectors(lab, "one", "data") == 262144 and lab.pids() == pids
    lab.replace("size: 64M", "size: 160M")
    lab.drover("up")
    assert sectors(lab, "one", "data") == 327680 and lab.pids() == pids


def test_guest_keeps_a_device(world):
    """A guest that lets go of nothing: up says so after its limit, then the change waits for a restart, which makes it."""
    # Halted before its first instruction, it hears of nothing.
    lab = world.lab(NICS.replace("lan: {ip: 10.40.0.10}}", "lan: {ip: 10.40.0.10}, dmz: {}}"))
    lab.drover("up", "--paused")
    pids = lab.pids()
    lab.replace("lan: {ip: 10.40.0.10}, dmz: {}}", "lan: {ip: 10.40.0.10}}")
    up = lab.drover("up", "--paused", status=7)
    assert "cannot update vm 'web': the guest did not let go of NIC 'dmz' within 10 s" in up.err, up
    assert "drover up --restart web" in up.err and lab.pids() == pids, up
    assert "nic-dmz" in Monitor(lab, "web").devices()
    again = lab.drover("up", "--paused")
    assert "restart required for vm 'web': networks.dmz: present → (none)" in again.err, again
    assert [change["key"] for change in lab.vms()["web"]["pending"]] == ["networks.dmz"]
    lab.drover("up", "--restart", "--paused", "-t", "0")
    assert "nic-dmz" not in Monitor(lab, "web").devices() and lab.pids() != pids


def test_no_free_port(world):
    """What there is no port for any more waits for a restart, which makes more of them."""
    lab = world.lab(DISKS)
    lab.drover("up")
    lab.console("one").wait("guest# ")
    more = ", ".join(f"{{name: d{i}, size: 1M}}" for i in range(9))
    lab.replace("{name: data, size: 64M}", f"{{name: data, size: 64M}}, {more}")
    assert actions(lab)[("vm", "one")] == "pending"
    lab.drover("up")
    monitor = Monitor(lab, "one")
    assert {f"disk-d{i}" for i in range(8)} <= set(monitor.devices()) and "disk-d8" not in monitor.devices()
    assert [change["key"] for change in lab.vms()["one"]["pending"]] == ["disks.d8"]


SET = """
networks:
  lan: {subnet: 10.40.0.0/24, mode: isolated}
vms:
  web:
    <<: *guest
    memory: {size: 128M, max: 192M}
    cpus: {count: 1, max: 3}
    networks: {lan: {ip: 10.40.0.10}}
    disk: {size: 16M, limits: {iops: 1000}}
    disks: [{name: data, size: 8M}, {name: cd, file: ./one.iso, media: cdrom}]
"""


def set_lab(world):
    lab = world.lab(SET)
    for name, size in (("one", 1 << 20), ("two", 2 << 20)):
        with open(os.path.join(lab.directory, f"{name}.iso"), "wb") as file:
            file.truncate(size)
    lab.drover("up")
    lab.console("web").ready()
    return lab


def throttle(lab, disk):
    (block,) = [item for item in Monitor(lab, "web").call("query-block") if f"/{disk}" in item.get("qdev", "")]
    return {key: block["inserted"][key] for key in ("iops", "bps_rd", "bps_wr")}


def carrier(lab):
    return lab.shell("web", "cat /sys/class/net/eth0/carrier").strip()


def mebibytes(lab):
    return int(lab.shell("web", "grep MemTotal /proc/meminfo | tr -dc 0-9")) >> 10


def test_link_and_limits(world):
    """A cable is pulled and plugged in, limits come, change and go; both count from the start on, and limits show drift."""
    lab = set_lab(world)
    pids = lab.pids()
    assert throttle(lab, "disk-root") == {"iops": 1000, "bps_rd": 0, "bps_wr": 0} and carrier(lab) == "1"
    lab.replace("lan: {ip: 10.40.0.10}", "lan: {ip: 10.40.0.10, link: down}")
    lab.replace("limits: {iops: 1000}", "limits: {iops: 500, write: 1M}")
    lab.replace("{name: data, size: 8M}", "{name: data, size: 8M, limits: {read: 2M}}")
    lab.drover("up")
    lab.assert_satisfied()
    assert throttle(lab, "disk-root") == {"iops": 500, "bps_rd": 0, "bps_wr": 1 << 20}
    assert throttle(lab, "disk-data") == {"iops": 0, "bps_rd": 2 << 20, "bps_wr": 0}
    host.wait_until(lambda: carrier(lab) == "0", "the guest has lost its carrier")

    Monitor(lab, "web").call("block_set_io_throttle", {"id": "/machine/peripheral/disk-data/virtio-backend", "bps": 0,
                                                       "bps_rd": 0, "bps_wr": 0, "iops": 7, "iops_rd": 0, "iops_wr": 0})
    assert changes(lab, "vm", "web")["disks.data.limits"]["drift"]
    lab.drover("up")
    assert throttle(lab, "disk-data") == {"iops": 0, "bps_rd": 2 << 20, "bps_wr": 0}
    lab.replace(", limits: {iops: 500, write: 1M}", "")
    lab.drover("up")
    lab.assert_satisfied()
    assert throttle(lab, "disk-root") == {"iops": 0, "bps_rd": 0, "bps_wr": 0} and lab.pids() == pids

    lab.console("web").skip()
    lab.drover("restart", "-t", "0")
    lab.console("web").wait("guest# ")
    host.wait_until(lambda: carrier(lab) == "0", "the guest starts without a carrier")
    assert throttle(lab, "disk-data") == {"iops": 0, "bps_rd": 2 << 20, "bps_wr": 0}
    lab.replace(", link: down", "")
    lab.drover("up")
    host.wait_until(lambda: carrier(lab) == "1", "the guest has its carrier again")


def test_memory_and_cpus(world):
    """Memory follows the file up and down within its max, vCPUs up; what goes beyond waits, and so does a vCPU less."""
    lab = set_lab(world)
    pids, before = lab.pids(), mebibytes(lab)
    lab.replace("size: 128M", "size: 176M")
    lab.replace("count: 1", "count: 3")
    lab.drover("up")
    lab.assert_satisfied()
    assert mebibytes(lab) == before + 48
    lab.shell("web", "for c in /sys/devices/system/cpu/cpu[12]/online; do echo 1 >$c; done")
    assert lab.shell("web", "nproc") == "3\n" and len(Monitor(lab, "web").call("query-cpus-fast")) == 3
    lab.replace("size: 176M", "size: 112M")
    lab.drover("up")
    lab.assert_satisfied()
    assert mebibytes(lab) == before - 16 and lab.pids() == pids

    Monitor(lab, "web").call("balloon", {"value": 100 << 20})
    host.wait_until(lambda: "memory" in changes(lab, "vm", "web"), "the guest has given memory away")
    assert changes(lab, "vm", "web")["memory"]["drift"]
    lab.drover("up")
    lab.assert_satisfied()
    assert mebibytes(lab) == before - 16

    lab.replace("{size: 112M, max: 192M}", "{size: 224M, max: 224M}")
    lab.replace("count: 3", "count: 2")
    assert actions(lab) == {("vm", "web"): "pending"}
    assert set(changes(lab, "vm", "web")) == {"memory", "memory.max", "cpus"}
    lab.drover("up", "--restart", "-t", "0")
    lab.assert_satisfied()
    assert len(Monitor(lab, "web").call("query-cpus-fast")) == 2 and lab.pids() != pids
    slots = Monitor(lab, "web").call("query-hotpluggable-cpus")
    Monitor(lab, "web").call("device_add", {"driver": slots[0]["type"], "id": "more", **slots[0]["props"]})
    assert changes(lab, "vm", "web")["cpus"] == {"key": "cpus", "from": "3", "to": "2", "change": "restart", "drift": True}


def test_media(world):
    """Another disc comes into a drive that has a name, and QEMU lets go of the old one; the drive itself stays."""
    lab = set_lab(world)
    pids = lab.pids()

    def disc():
        (drive,) = [item for item in Monitor(lab, "web").call("query-block") if item.get("qdev") == "disk-cd"]
        return drive["inserted"]["image"]["virtual-size"], drive["tray_open"]

    assert disc() == (1 << 20, False)
    lab.replace("./one.iso", "./two.iso")
    assert changes(lab, "vm", "web")["disks.cd.file"]["change"] == "live"
    lab.drover("up")
    lab.assert_satisfied()
    assert disc() == (2 << 20, False) and lab.pids() == pids
    assert os.path.join(lab.directory, "one.iso") not in host.links_in(pids["web"], "fd").values()
    monitor = Monitor(lab, "web")
    for hand in (("blockdev-change-medium", {"id": "disk-cd", "filename": os.path.join(lab.directory, "one.iso")}),
                 ("eject", {"id": "disk-cd", "force": True})):
        monitor.call(*hand)
        assert changes(lab, "vm", "web")["disks.cd.file"]["drift"]
        lab.drover("up")
        lab.assert_satisfied()
        assert disc() == (2 << 20, False) and lab.pids() == pids
    lab.replace(", {name: cd, file: ./two.iso, media: cdrom}", "")
    assert changes(lab, "vm", "web")["disks.cd"]["change"] == "restart"


def vnc_security(lab, vm):
    """The ways in that its VNC server offers: 1 is none, 2 a password. Source: RFC 6143, 7.1"""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(os.path.join(lab.run_directory, "vms", vm, "vnc.sock"))
        connection.sendall(connection.recv(12, socket.MSG_WAITALL))
        return list(connection.recv(connection.recv(1)[0], socket.MSG_WAITALL))


def test_vnc_password(world):
    """A display's password comes from its file, follows its edits live, and stands nowhere; to have one takes a restart."""
    lab = world.lab("vms:\n  one: {memory: 64M, networks: [], display: vnc}\n")
    secret, trace = os.path.join(lab.directory, "vnc.pw"), world.path("trace")

    def keep(word):
        with open(secret, "w", encoding="ascii") as file:
            file.write(word + "\n")

    keep("hidden-1")
    lab.drover("up")
    assert vnc_security(lab, "one") == [1]
    lab.replace("display: vnc", "display: {type: vnc, password_file: ./vnc.pw}")
    (step,) = lab.plan()["steps"]
    assert step["action"] == "pending", step
    lab.drover("up", "--restart", "-t", "0", environment={"DROVER_TRACE": trace})
    assert vnc_security(lab, "one") == [2]
    pids = lab.pids()
    lab.assert_satisfied()
    keep("hidden-2!")
    (step,) = lab.plan()["steps"]
    assert (step["action"], step["changes"][0]["key"]) == ("update", "display.password_file"), step
    lab.drover("up", environment={"DROVER_TRACE": trace})
    lab.assert_satisfied()
    assert lab.pids() == pids
    with open(trace, encoding="utf-8") as file:
        text = file.read()
    assert text.count("set_password done") == 2 and "hidden" not in text, text
    assert "hidden" not in json.dumps(lab.spec("one")) + "".join(host.processes(lab.name).values())
    keep("")
    assert "there is no password in the first line of" in lab.drover("up", status=1).err
    lab.drover("down", "-t", "0")
