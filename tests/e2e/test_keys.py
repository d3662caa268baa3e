"""test_keys.py - the changes of tests/plan/changes.txt, made to VMs that run: the plan is the reviewed one, and QEMU has it"""

import os
import re
import shlex

import host
import yaml
from qemu import Monitor

CHANGES = os.path.join(os.path.dirname(__file__), "..", "plan", "changes.txt")

# Keys whose change needs more than a machine that is started and halted: what shows it.
ELSEWHERE = {
    "vms.memory": "test_live.py: the guest gives memory away", "vms.memory.size": "test_live.py: the guest takes memory back",
    "vms.memory.max": "test_live.py: the guest starts with more",
    "vms.disks.disk": "test_live.py: the guest lets go of a disk", "vms.disks.name": "test_live.py: the same",
    "vms.ports": "test_ports.py", "vms.replicas": "test_replicas.py", "vms.mounts": "test_mounts.py",
    "vms.disk.device": "test_buses.py: a loop device", "vms.disks.device": "test_buses.py: a loop device",
    "networks.external": "test_host.py", "networks.uplink": "test_host.py", "networks.dhcp.boot": "test_netboot.py",
    "networks.bridge": "test_repair.py: taps go from one bridge to the other",
    "vms.credentials": "test_debian.py: the guest is asked for them",
    "vms.accel": "test_limits.py: KVM", "vms.qemu_args": "a key for real arguments, which the fake is told to take as they are",
}

# Ports for what may be plugged in: a VM that is restarted while a device goes has one more of them.
SPARE = r'-device,\{"driver":"pcie-root-port"[^}]*\},'

# Of the live keys, those of which QEMU tells.
IN_QEMU = re.compile(r"vms\.(cpus|disk\.|disks|networks$)")


def is_elsewhere(key):
    """Parts of a key are where the key is; names of disks and the like are keys of their own."""
    return key in ELSEWHERE or key.startswith(("vms.ports.", "vms.mounts.", "vms.credentials.", "networks.dhcp.boot"))


class Block:
    """A change of one key, in a project of many: its VM, networks and files have its number."""

    def __init__(self, number, text):
        head, *lines = text.strip().splitlines()
        self.number, self.name = number, f"k{number}"
        self.key, self.how = head.split()
        self.sides = [self.adapt("\n".join(line[2:] for line in lines if line.startswith(sign))) for sign in "-+"]
        self.wanted = [line.strip() for line in lines if re.match(r"  [a-z-]+ (vm one|network lan) ", line)]

    def adapt(self, text):
        for written, own in (("./", f"./{self.name}/"), ("localhost/", f"localhost/{self.name}/"),
                             ("10.0.", f"10.{self.number}."), ("fd00:1:", f"fd00:{self.number}:")):
            text = text.replace(written, own)
        side = yaml.safe_load(text)
        vm = side["vms"]["one"] if "vms" in side else {}
        nics = vm.get("networks", [])
        nics = nics if isinstance(nics, dict) else {name: {} for name in nics}
        vm["networks"] = {name: {**nic, "network": f"{nic.get('network', name)}-{self.number}"} for name, nic in nics.items()}
        vm.setdefault("memory", "64M")
        networks = {f"{name}-{self.number}": value for name, value in side.get("networks", {}).items()}
        for network in networks.values():
            network.update({"reach": [f"{name}-{self.number}" for name in network["reach"]]} if "reach" in network else {})
        return {"networks": networks, "vm": vm}


def read_blocks(how, top="vms"):
    """The blocks of the keys of VMs, or of networks, of this class."""
    with open(CHANGES, encoding="utf-8") as file:
        text = re.sub(r"^#.*\n", "", file.read(), flags=re.MULTILINE)
    heads = [(number, block) for number, block in enumerate(text.strip().split("\n\n"))
             if re.match(rf"\s*{top}\.\S+ {how}\n", block)]
    return [Block(number, text) for number, text in heads if not is_elsewhere(text.split()[0])]


def write(lab, blocks, side):
    """A project of all of them."""
    networks = {name: network for block in blocks for name, network in block.sides[side]["networks"].items()}
    vms = {block.name: block.sides[side]["vm"] for block in blocks}
    lab.write(yaml.safe_dump({"networks": networks, "vms": vms}, sort_keys=False))


def make_files(lab, blocks):
    for path in re.findall(r"\./(k\d+/[\w.]+)", str([block.sides for block in blocks])):
        os.makedirs(os.path.join(lab.directory, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(lab.directory, path), "w", encoding="ascii") as file:
            file.write("secret\n")
            file.truncate(1 << 20 if path.endswith((".raw", ".iso")) else 7)


def told(lab, kind="vm"):
    """What the plan says of each VM or network, in the words of changes.txt, by the block's name."""
    lines = {}
    for step in lab.plan()["steps"]:
        changes = ", ".join("{key}: {from} > {to} ({change})".format_map({"from": "none", "to": "none", **change})
                            for change in step["changes"])
        if step["kind"] != kind or step["action"] == "continue":
            continue
        number = re.search(r"\d+$", step["name"]).group()
        name, text = f"k{number}", f"{step['action']} {kind} {step['name']} {changes}".rstrip()
        for own, written in ((f"{lab.directory}/{name}/", "/srv/lab/"), (f"localhost/{name}/", "localhost/"), (name, "one"),
                             (f"-{number}", ""), (f"10.{number}.", "10.0."), (f":{number}:", ":1:")):
            text = text.replace(own, written)
        lines.setdefault(name, []).append(text)
    return lines


def arguments(lab):
    """The command line of each VM's QEMU; the fake takes commas apart where it stands."""
    lines = {}
    for vm, pid in lab.pids().items():
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            lines[vm] = file.read().rstrip("\0").replace("\0", ",")
    return lines


def open_files(lab):
    """The files of the project that each VM's QEMU has open: arguments name descriptors only."""
    return {vm: {path for path in host.links_in(pid, "fd").values() if path.startswith(lab.directory)}
            for vm, pid in lab.pids().items()}


def test_restart(world):
    """Each key of class restart: the plan says so and nothing happens; with --restart QEMU is what the file says."""
    blocks = read_blocks("restart")
    lab = world.lab("", fake=True)
    make_files(lab, blocks)
    write(lab, blocks, 0)
    lab.drover("up")
    pids, before, files = lab.pids(), arguments(lab), open_files(lab)
    write(lab, blocks, 1)
    assert told(lab) == {block.name: block.wanted for block in blocks}
    lab.drover("up")
    assert lab.pids() == pids
    lab.drover("up", "--restart", "-t", "0")
    lab.assert_satisfied()
    now, open_now = arguments(lab), open_files(lab)
    for block in blocks:
        name = block.name
        assert (now[name], open_now[name]) != (before[name], files[name]), f"{block.key}: QEMU runs as it did"
        wanted = ",".join(shlex.split(lab.drover("config", "--qemu", name).out))
        assert re.sub(SPARE, "", now[name]) == re.sub(SPARE, "", wanted), block.key


def holdings(lab, vm):
    """What QEMU says that it has: devices, disks with their sizes and limits, vCPUs."""
    monitor = Monitor(lab, vm)
    disks = [(item.get("qdev"), item.get("inserted", {}).get("image", {}).get("virtual-size"),
              [item.get("inserted", {}).get(limit) for limit in ("iops", "bps_rd", "bps_wr")])
             for item in monitor.call("query-block")]
    return monitor.devices(), disks, len(monitor.call("query-cpus-fast"))


def test_live(world):
    """Each key of class live: the plan says so, up does it, no VM restarts; where QEMU is concerned, it says so itself."""
    blocks = read_blocks("live")
    lab = world.lab("")
    make_files(lab, blocks)
    write(lab, blocks, 0)
    lab.drover("up", "--paused")
    asked = [block for block in blocks if IN_QEMU.match(block.key)]
    pids, before = lab.pids(), [holdings(lab, block.name) for block in asked]
    write(lab, blocks, 1)
    assert told(lab) == {block.name: block.wanted for block in blocks if block.wanted}
    lab.drover("up", "--paused")
    assert lab.pids() == pids
    assert {step["action"] for step in lab.plan()["steps"]} == {"continue"}, "nothing else is left to do"
    for block, had in zip(asked, before):
        assert holdings(lab, block.name) != had, f"{block.key}: QEMU has what it had"


def test_networks(world):
    """Each live key of networks: no VM restarts, and then kernel, dnsmasq and nftables are as the file says."""
    blocks = read_blocks("live", "networks")
    lab = world.lab("", fake=True)
    write(lab, blocks, 0)
    lab.drover("up")
    pids = lab.pids()
    write(lab, blocks, 1)
    assert told(lab, "network") == {block.name: block.wanted for block in blocks if block.wanted}
    assert lab.drover("up").err and lab.pids() == pids
    lab.assert_satisfied()


COST = """
networks:
  lan: {subnet: 10.30.0.0/24}
  dmz: {subnet: 10.31.0.0/24}
disks: {data: 1G}
vms:
  one: {<<: *fake, networks: {lan: {}, more: {network: lan}, left: {network: lan}}, disk: 1G}
  two: {<<: *fake, networks: [lan], disks: [data]}
"""


def test_cost(world):
    """Who restarts, which links are cut, memory and disk against what the host has free: in words, and as numbers."""
    lab = world.lab(COST, fake=True)
    plan = lab.plan()["cost"]
    assert (plan["memory_bytes"], plan["disk_bytes"]) == (128 << 20, 2 << 30)
    assert plan["memory_available_bytes"] > 0 and plan["disk_free_bytes"] > 0
    lab.drover("up")
    lab.replace("more: {network: lan}, left: {network: lan}", "more: {network: dmz}, lost: {network: dmz}")
    lab.replace("lan: {}, ", "lan: {link: down}, ")
    lab.replace("disk: 1G}", "disk: 3G}")
    lab.replace("two: {<<: *fake,", "two: {<<: *fake, memory: 96M,")
    plan = lab.plan("--restart")["cost"]
    assert plan["restarts"] == ["two"] and sorted(plan["cut_links"]) == ["one/lan", "one/left", "one/more"], plan
    assert (plan["memory_bytes"], plan["disk_bytes"]) == (32 << 20, 2 << 30)
    plan = lab.drover("plan", "--restart").out
    assert "cost: restarts two\n" in plan and "cost: cuts the link of one/" in plan and "cost: 32M of memory (" in plan, plan
