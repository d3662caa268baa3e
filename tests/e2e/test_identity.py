"""test_identity.py - what a VM keeps: UUID, MACs, PCI addresses; whose a project is; state files of other releases"""

import json
import os
import re
import shutil

NICS = """
networks:
  lan: {subnet: 10.70.0.0/24, mode: isolated}
  dmz: {subnet: 10.71.0.0/24, mode: isolated}
vms:
  one:
    <<: *fake
    networks: {lan: {ip: 10.70.0.10}, dmz: {}}
    disk: 16M
    disks: [{name: a, size: 8M}, {name: b, size: 8M}]
"""


def identity(lab, vm="one"):
    """UUID, machine, MACs and ports as kept, and the devices of the argument vector with their addresses."""
    spec = lab.spec(vm)
    argv = lab.drover("config", "--qemu", vm).out
    devices = re.findall(r'"driver":\s*"virtio-(?:net|blk)-pci[^}]*}', argv)
    assert devices, argv
    return {"uuid": spec["uuid"], "machine": spec["machine"], "macs": spec["macs"], "ports": spec["ports"],
            "devices": sorted(re.sub(r'"bootindex":\d+', "", device) for device in devices)}


def test_kept_over_down_and_loss_of_the_run_directory(world):
    """The same after down and up, after rm, and after the run directory was lost while stopped and while running."""
    lab = world.lab(NICS, fake=True)
    lab.drover("up")
    first = identity(lab)
    assert len(first["macs"]) == 2 and re.fullmatch(r"pc-q35-[\d.]+", first["machine"])
    lab.drover("down", "-t", "0")
    lab.drover("up")
    assert identity(lab) == first

    lab.drover("stop", "-t", "0")
    shutil.rmtree(lab.run_directory)
    lab.drover("up")
    assert identity(lab) == first

    pid = lab.pids()["one"]
    shutil.rmtree(lab.run_directory)
    vm = lab.vms()["one"]
    assert vm["state"] == "unreachable" and vm["pid"] == pid and vm["detail"], vm
    told = lab.drover("pause", "one", status=None)
    assert "unreachable" in lab.drover("ps").out and told is not None
    lab.drover("restart", "-t", "0", "one")
    assert lab.states() == {"one": "running"} and lab.pids()["one"] != pid
    assert not os.path.exists(f"/proc/{pid}/exe"), "the old QEMU lives on"
    assert identity(lab) == first
    lab.drover("rm", "-s", "-f", "one")
    lab.drover("up")
    assert identity(lab) == first


def test_host_cannot_be_told(world):
    """Where the host's machine-id is there and cannot be read, nobody gets another identity, which would be kept."""
    lab = world.lab(NICS, fake=True)
    lab.drover("up")
    first = identity(lab)
    lab.drover("down", "-v", "-y", "-t", "0")
    broken = ["strace", "-f", "-o", "/dev/null", "-P", "/etc/machine-id", "-e", "inject=read:error=EIO"]
    refused = lab.drover("up", wrap=broken, status=1)
    assert refused.err.splitlines()[0] == "error: cannot read '/etc/machine-id': Input/output error", refused
    assert lab.leftovers() == []
    lab.drover("up")
    assert identity(lab) == first



def test_removal_of_a_device_moves_no_other(world):
    """A NIC and a disk that go leave all others where they were; what comes back later takes a free place."""
    lab = world.lab(NICS, fake=True)
    lab.drover("up")
    first = identity(lab)
    lab.replace("lan: {ip: 10.70.0.10}, ", "")
    lab.replace("{name: a, size: 8M}, ", "")
    lab.drover("stop", "-t", "0")
    lab.drover("up")
    second = identity(lab)
    assert second["uuid"] == first["uuid"] and len(second["devices"]) == len(first["devices"]) - 2
    assert set(second["devices"]) < set(first["devices"])
    assert all(first["ports"][name] == port for name, port in second["ports"].items())
    lab.replace("networks: {dmz", "networks: {lan: {ip: 10.70.0.10}, dmz")
    lab.drover("stop", "-t", "0")
    lab.drover("up")
    third = identity(lab)
    assert third["macs"] == first["macs"], "a NIC that comes back has another MAC"
    assert set(second["devices"]) < set(third["devices"])


def test_guest_sees_the_same_hardware(world):
    """From inside: the second NIC has the same MAC and PCI address after the first one was removed, and after down and up."""
    look = "for i in /sys/class/net/eth*; do echo $(cat $i/address) $(basename $(readlink -f $i/device/..)); done"
    lab = world.lab("networks:\n  lan: {subnet: 10.70.0.0/24}\n  dmz: {subnet: 10.71.0.0/24}\n"
                    "vms:\n  one: {<<: *guest, networks: {lan: {}, dmz: {ip: 10.71.0.9}}}\n")
    lab.drover("up")
    seen = {ready["address"]: ready["mac"] for ready in (lab.console("one").ready(), lab.console("one").ready())}
    before = dict(line.split() for line in lab.shell("one", look).splitlines())
    assert len(before) == 2 and seen["10.71.0.9"] in before
    lab.replace("{lan: {}, dmz:", "{dmz:")
    lab.drover("up")
    lab.drover("restart", "-t", "0")
    ready = lab.console("one").ready()
    assert ready["mac"] == seen["10.71.0.9"] and ready["address"] == "10.71.0.9"
    after = dict(line.split() for line in lab.shell("one", look).splitlines())
    assert after == {ready["mac"]: before[ready["mac"]]}


def test_newer_state_is_refused(world):
    """State written by a newer drover is neither read nor touched; one unreadable VM spoils no other's line."""
    lab = world.lab(NICS + "  two: {<<: *fake, networks: [lan]}\n", fake=True)
    lab.drover("up")
    pids = lab.pids()
    for path, verbs in ((os.path.join(lab.data, "state.json"), ("up", "down", "plan", "ps")),
                        (lab.vm_data("one", "spec.json"), ("up", "restart"))):
        with open(path, encoding="utf-8") as file:
            good = file.read()
        newer = json.dumps({**json.loads(good), "schema": 99, "future": True})
        with open(path, "w", encoding="utf-8") as file:
            file.write(newer)
        for verb in verbs:
            refused = lab.drover(verb, status=None)
            assert refused.status == 1, refused
            assert path in refused.err and "newer drover (schema 99" in refused.err, refused
        if path.endswith("spec.json"):
            assert lab.states() == {"one": "unreadable", "two": "running"}
        with open(path, encoding="utf-8") as file:
            assert file.read() == newer, f"'{path}' was written"
        with open(path, "w", encoding="utf-8") as file:
            file.write(good)
    assert lab.pids() == pids
    lab.assert_satisfied()


def test_project_belongs_to_its_directory(world):
    """Another directory with the same name may look but not change; when the first one is gone it adopts the project."""
    lab = world.lab(NICS, fake=True)
    lab.drover("up")
    pids = lab.pids()
    other = world.lab(NICS, name="other", fake=True, project=lab.name)
    for verb in ("up", "down", "stop", "restart"):
        refused = other.drover(verb, status=1)
        assert f"project '{lab.name}' belongs to '{lab.directory}'" in refused.err and "-p NAME" in refused.err, refused
    assert other.pids() == pids
    other.drover("-p", f"{lab.name}-2", "up")
    world.lab("vms: {}\n", name="third", project=f"{lab.name}-2")
    assert lab.pids() == pids

    os.rename(lab.directory, lab.directory + "-moved")
    adopted = other.drover("up")
    assert f"project '{lab.name}' belonged to '{lab.directory}', which is gone" in adopted.err, adopted
    assert other.pids() == pids
    os.mkdir(lab.directory)
    lab.write(NICS)
    refused = lab.drover("up", status=1)
    assert f"belongs to '{other.directory}'" in refused.err, refused
