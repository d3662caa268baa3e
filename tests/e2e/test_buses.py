"""test_buses.py - buses, caches, serial numbers, shared disks, block devices: booted from, read and written by guests"""

import os
import subprocess

import host
import pytest
from qemu import Monitor

O_DIRECT = 0o40000

# xor ax,ax; mov ds,ax; mov si,text; mov dx,0x3f8; cld; next: lodsb; test al,al; jz end; out dx,al; jmp next; end: hlt; jmp end
PRINTER = bytes.fromhex("31c08ed8be167cbaf803fcac84c07403eeebf8f4ebfd")


def make_bootable(lab, name, text):
    """A raw disk whose boot sector writes `text` to the first serial port, and stops."""
    path = os.path.join(lab.directory, name)
    with open(path, "wb") as file:
        file.write((PRINTER + text.encode() + b"\r\n\0").ljust(510, b"\0") + b"\x55\xaa")
        file.truncate(8 << 20)
    return path


def test_boot(world):
    """The firmware boots from a disk on each bus, from the root disk where there are others, and each can be limited."""
    buses = ("virtio", "scsi", "sata", "nvme", "usb", "ide")
    text = "vms:\n"
    for bus in buses:
        machine = "machine: pc, " if bus == "ide" else ""
        text += (f"  {bus}: {{memory: 64M, {machine}networks: [],\n"
                 f"    disk: {{file: ./{bus}.raw, format: raw, bus: {bus}, limits: {{iops: 500}}}},\n"
                 f"    disks: [{{name: other, file: ./other-{bus}.raw, format: raw, bus: {bus}}}, {{size: 1M}}]}}\n")
    lab = world.lab(text)
    for bus in buses:
        make_bootable(lab, f"{bus}.raw", f"booted from {bus}")
        make_bootable(lab, f"other-{bus}.raw", "booted from another")
    lab.drover("up")
    for bus in buses:
        lab.console(bus).wait(f"booted from {bus}")
        assert "another" not in lab.console(bus).text()
        (root,) = [block for block in Monitor(lab, bus).call("query-block")
                   if block.get("inserted", {}).get("node-name") == "disk-root"]
        assert root["inserted"]["iops"] == 500, root
    lab.assert_satisfied()


def test_guest(world):
    """A guest sees the serial numbers; a SCSI disk keeps its place when the one before it goes."""
    lab = world.lab("""
vms:
  one:
    <<: *guest
    networks: []
    disk: {size: 8M, serial: WD-0001, cache: none}
    disks:
      - {name: a, size: 16M, bus: scsi}
      - {name: b, size: 24M, bus: scsi, serial: a-serial-of-more-than-twenty, cache: writethrough}
""")
    lab.drover("up")
    lab.console("one").ready()
    lab.console("one").wait("guest# ")
    assert lab.shell("one", "cat /sys/block/vda/serial; echo") == "WD-0001\n"
    assert lab.shell("one", "cat /sys/block/sd?/size") == f"{16 << 11}\n{24 << 11}\n"
    assert "a-serial-of-more-than-twenty" in lab.shell("one", "tail -c +5 /sys/block/sdb/device/vpd_pg80; echo")
    assert lab.shell("one", "cat /sys/block/vda/queue/write_cache /sys/block/sdb/queue/write_cache") == \
        "write back\nwrite through\n"
    files = host.links_in(lab.pids()["one"], "fd")
    for name, direct in (("root.0.qcow2", True), ("a.0.qcow2", False)):
        fd = max((fd for fd, path in files.items() if path.endswith("/" + name)), key=int)  # QEMU's own of the one it was given
        with open(f"/proc/{lab.pids()['one']}/fdinfo/{fd}", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("flags:"))
        assert bool(int(line.split()[1], 8) & O_DIRECT) == direct, (name, line)
    lab.shell("one", "echo kept | dd of=/dev/sdb 2>/dev/null; sync")

    lab.replace("      - {name: a, size: 16M, bus: scsi}\n", "")
    lab.drover("up")
    assert lab.shell("one", "ls /sys/class/scsi_disk").strip().endswith(":1:0")
    lab.drover("restart", "-t", "0")
    lab.console("one").ready()
    lab.console("one").wait("guest# ")
    assert lab.shell("one", "ls /sys/class/scsi_disk").strip().endswith(":1:0")
    assert lab.shell("one", "head -n 1 /dev/sda") == "kept\n"
    lab.assert_satisfied()


def test_plugged_in(world):
    """Where a machine has the controller, a disk comes to it while it runs; on the board nothing does."""
    lab = world.lab("vms:\n  one: {memory: 64M, networks: [], disks: [{name: a, size: 1M, bus: scsi}]}\n")
    lab.drover("up")
    lab.replace("{name: a, size: 1M, bus: scsi}", "{name: a, size: 1M, bus: scsi}, {name: b, size: 1M, bus: scsi}, "
                "{name: c, size: 1M, bus: nvme}, {name: d, size: 1M, bus: sata}")
    lab.drover("up")
    devices = Monitor(lab, "one").devices()
    assert "disk-b" in devices and "disk-c" in devices and "disk-d" not in devices
    assert "disks.d" in lab.drover("plan", "--exit-code", status=2).out
    lab.drover("up", "--restart", "-t", "0")
    assert "disk-d" in Monitor(lab, "one").devices()
    lab.assert_satisfied()


SHARED = """
disks:
  quorum: {size: 4M, format: raw}
vms:
  a: {<<: *guest, networks: [], disks: [{disk: quorum, shared: true, cache: none}]}
  b: {<<: *guest, networks: [], disks: [{disk: quorum, shared: true, cache: none}]}
"""


def test_shared(world):
    """Two guests see what the other writes; nobody who does not share gets the disk while they have it."""
    lab = world.lab(SHARED)
    plan = lab.plan()
    assert [step["kind"] for step in plan["steps"]].count("disk") == 1, plan
    lab.drover("up")
    for name in "ab":
        lab.console(name).ready()
        lab.console(name).wait("guest# ")
    lab.shell("a", "echo from-a | dd of=/dev/vda 2>/dev/null; sync")
    assert lab.shell("b", "head -n 1 /dev/vda") == "from-a\n"
    lab.assert_satisfied()
    (path,) = host.disk_files(lab.data)
    other = world.lab(f"vms:\n  c: {{memory: 64M, networks: [], disk: {{file: {path}, format: raw}}}}\n", "b")
    refused = other.drover("up", status=1)
    assert f"'{path}' is in use by vm" in refused.err, refused
    other.replace("format: raw", "format: raw, shared: true")
    other.drover("up", "--paused")
    other.drover("down", "-t", "0")


@pytest.fixture
def loop_device(world):
    path = world.path("loop.img")
    with open(path, "wb") as file:
        file.write(b"on the device\n")
        file.truncate(8 << 20)
    try:
        device = host.command("losetup", "--find", "--show", path).strip()
    except (AssertionError, FileNotFoundError) as reason:
        pytest.skip(f"no loop device: {reason}")
    yield device
    subprocess.run(["losetup", "--detach", device], check=True, timeout=20)


def test_device(world, loop_device):
    """A block device is used in place, by one VM alone, and is never removed."""
    lab = world.lab(f"vms:\n  one: {{<<: *guest, networks: [], disk: {{device: {loop_device}}}}}\n")
    lab.drover("up")
    lab.console("one").ready()
    lab.console("one").wait("guest# ")
    assert lab.shell("one", "head -n 1 /dev/vda; cat /sys/block/vda/size") == f"on the device\n{8 << 11}\n"
    lab.shell("one", "echo written | dd of=/dev/vda bs=512 seek=1 2>/dev/null; sync")
    other = world.lab(f"vms:\n  two: {{memory: 64M, networks: [], disk: {{device: {loop_device}}}}}\n", "b")
    refused = other.drover("up", status=1)
    assert f"'{loop_device}' is in use by vm 'one' of project '{lab.name}'" in refused.err, refused
    lab.assert_satisfied()
    lab.drover("down", "-v", "-y", "-t", "0")
    with open(loop_device, "rb") as file:
        assert file.read(520)[512:] == b"written\n"
