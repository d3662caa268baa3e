"""test_replicas.py - profiles choose, replicas multiply, --scale counts for one run; names on the command line mean groups"""

import os
import re

import host

LAB = """
networks:
  lan: {subnet: 10.20.0.0/24, mode: isolated}
disks:
  data: {size: 16M}
vms:
  db: {<<: *guest, replicas: 3, networks: {lan: {ip: 10.20.0.10}}, disks: [data]}
  web: {<<: *guest, networks: {lan: {ip: 10.20.0.50}}, depends_on: [db]}
  debug: {<<: *guest, networks: {lan: {ip: 10.20.0.60}}, profiles: [debug]}
"""


def alive(lab, *arguments):
    """The pids of what runs, by name."""
    return {vm["name"]: vm["pid"] for vm in lab.drover("ps", "--format", "json", *arguments).json()["vms"]}


def test_scale_and_back(world):
    """Three replicas, two, and three again: what goes keeps its disks and comes back as it was.

    None of the others is touched.
    """
    lab = world.lab(LAB)
    lab.drover("up", "--paused")
    first = alive(lab)
    assert sorted(first) == ["db-1", "db-2", "db-3", "web"]
    uuid = lab.vms()["db-3"]["uuid"]

    lab.drover("up", "--paused", "--scale", "db=2")
    assert sorted(alive(lab)) == ["db-1", "db-2", "web"] and all(first[name] == pid for name, pid in alive(lab).items())
    assert "data-3.0.qcow2" in [os.path.basename(path) for path in host.disk_files(lab.data)]
    starts = [step["name"] for step in lab.plan()["steps"] if step["kind"] == "vm" and step["action"] != "continue"]
    assert starts == ["db-3"], "the next up goes by the file again"
    lab.drover("up", "--paused")
    assert lab.vms()["db-3"]["uuid"] == uuid and alive(lab)["db-1"] == first["db-1"]

    refused = lab.drover("up", "--scale", "web=2", status=4)
    assert "vm 'web' has no 'replicas'" in refused.err and "write 'replicas: 1'" in refused.err
    clash = lab.drover("up", "--scale", "db=50", status=3)
    assert "10.20.0.50 is taken by" in clash.err
    lab.drover("down", "-v", "-y", "-t", "0")
    assert lab.leftovers(files=True) == []


def test_names_mean_groups(world):
    """`db` is all of them, `db-2` is one; a group needs no console, and completion knows all names."""
    lab = world.lab(LAB)
    assert lab.drover("ps", "--vms").out.split() == ["db", "web", "debug", "db-1", "db-2", "db-3"]
    lab.drover("up", "--paused", "db-2")
    assert sorted(alive(lab)) == ["db-2"]
    lab.drover("up", "--paused", "web")
    assert sorted(alive(lab)) == ["db-1", "db-2", "db-3", "web"]
    assert sorted(alive(lab, "db")) == ["db-1", "db-2", "db-3"]
    lab.drover("kill", "db")
    assert sorted(alive(lab)) == ["web"]
    assert "'db' is 3 VMs" in lab.drover("console", "db", status=4).err
    assert "did you mean 'db'?" in lab.drover("stop", "dbb", status=6).err
    lab.drover("rm", "-f", "db")
    assert sorted(lab.vms()) == ["web"]
    lab.drover("down", "-v", "-y", "-t", "0")
    assert lab.leftovers(files=True) == []


def test_profiles(world):
    """A VM of a profile starts when it, or the profile, is asked for; it is no orphan otherwise, and down takes it along."""
    lab = world.lab(LAB)
    lab.drover("up", "--paused", "web")
    assert lab.drover("config", "--profiles").out == "debug\n"
    assert "debug" not in alive(lab)
    lab.drover("--profile", "debug", "up", "--paused")
    pid = alive(lab)["debug"]
    again = lab.drover("up", "--paused", "--remove-orphans")
    assert "debug" not in again.err and alive(lab)["debug"] == pid
    assert "debug" not in lab.drover("plan").out
    lab.drover("rm", "-s", "-f", "debug")
    assert "debug" not in alive(lab)
    lab.drover("up", "--paused", "debug")
    assert "debug" in alive(lab)
    assert "did you mean 'debug'?" in lab.drover("--profile", "debgu", "up", status=6).err
    lab.drover("down", "-v", "-y", "-t", "0")
    assert lab.leftovers(files=True) == []


def test_group_resolves_to_all(world):
    """Inside, the name of the group has the address of each replica, and each has a name of its own."""
    lab = world.lab(LAB)
    lab.drover("up", "web")
    assert lab.console("web").ready()["address"] == "10.20.0.50"
    answer = lab.shell("web", "nslookup db")
    assert {"10.20.0.10", "10.20.0.11", "10.20.0.12"} <= set(re.findall(r"10\.20\.0\.1\d", answer)), answer
    assert "10.20.0.12" in lab.shell("web", f"nslookup db-3.{lab.name}.test")
    lab.drover("down", "-v", "-y", "-t", "0")
    assert lab.leftovers(files=True) == []
