"""test_rename.py - another name for a VM: its disks, identity and process stay, also when it is killed in between"""

import os

import host
import strace

LAB = """
networks:
  lan: {{subnet: 10.30.0.0/24, mode: isolated}}
vms:
  {name}: {{<<: *fake, disk: 10M, networks: [lan], restart: always}}
  other: {{<<: *fake, networks: [lan], depends_on: [{name}]}}
"""


def identity(lab, vm):
    spec = lab.spec(vm)
    return spec["uuid"], spec["macs"], spec["disks"]


def test_running(world):
    """Before the file is edited: the VM runs on, is known by its new name, and is started again by its policy."""
    lab = world.lab(LAB.format(name="web"), fake=True)
    lab.drover("up")
    before, pid, taps = identity(lab, "web"), lab.pids()["web"], sorted(lab.links())
    done = lab.drover("rename", "web", "www")
    assert "vm web is vm www now" in done.err and "its process and its taps keep the name 'web'" in done.err, done
    assert "the project file still says 'web'" in done.err, done
    assert lab.states() == {"www": "running", "other": "running"} and lab.pids()["www"] == pid
    assert identity(lab, "www") == before and not os.path.exists(lab.vm_data("web"))
    host.end_process(pid)
    host.wait_until(lambda: lab.pids()["www"] not in (None, pid), "its supervisor starts it again")
    lab.write(LAB.format(name="www"))
    assert lab.plan()["steps"] == [] and sorted(lab.links()) != taps
    lab.drover("up")
    assert identity(lab, "www") == before


def test_file_first(world):
    """After the file was edited: the plan says what to run, and then there is nothing left to do but at the next start."""
    lab = world.lab(LAB.format(name="web"), fake=True)
    lab.drover("up")
    before, pids, taps = identity(lab, "web"), lab.pids(), sorted(lab.links())
    lab.write(LAB.format(name="www"))
    told = lab.drover("plan")
    assert "note: vm 'www' is probably vm 'web' renamed: 'drover rename web www' before" in told.out, told
    (orphan,) = [step for step in lab.plan()["steps"] if step["action"] == "orphan"]
    assert (orphan["name"], orphan["renamed_to"]) == ("web", "www")
    lab.drover("rename", "web", "www")
    assert lab.pids() == {"www": pids["web"], "other": pids["other"]} and identity(lab, "www") == before
    (step,) = [step for step in lab.plan()["steps"] if step["acts"]]
    assert step["detail"] == "reservations and names are read again", step  # www resolves
    lab.replace("mode: isolated", "mode: isolated, mtu: 9000")
    lab.drover("up")  # its taps are found by the name that they have
    assert all(link["mtu"] == 9000 for link in lab.links().values()) and sorted(lab.links()) == taps
    lab.drover("restart", "-t", "0")
    lab.assert_satisfied()
    assert sorted(lab.links()) == taps
    lab.drover("stop", "-t", "0")
    lab.drover("up")
    assert sorted(lab.links()) != taps
    lab.assert_satisfied()


def test_refused(world):
    """A name that is taken, is none, or of what was never made; and stopped it works as well."""
    lab = world.lab(LAB.format(name="web"), fake=True)
    assert "nothing of a vm 'web' is here" in lab.drover("rename", "web", "www", status=6).err
    lab.drover("up")
    assert "vm 'other' is here already" in lab.drover("rename", "web", "other", status=1).err
    assert "is no name for a VM" in lab.drover("rename", "web", "Web", status=4).err
    lab.drover("rename", "web", "web", status=4)
    lab.drover("stop", "web", "-t", "0")
    before = identity(lab, "web")
    lab.drover("-p", lab.name, "rename", "web", "www")
    lab.write(LAB.format(name="www"))
    assert identity(lab, "www") == before and lab.states()["www"] == "stopped"
    lab.drover("up")
    assert lab.states() == {"www": "running", "other": "running"}


def test_killed(world):
    """Killed at any rename of a file or directory, and at any write: the old name or the new one, and the next one ends it."""
    lab = world.lab(LAB.format(name="web"), fake=True)
    lab.drover("up")
    before = identity(lab, "web")
    calls, _ = strace.record_calls(lab, "rename", "web", "www")
    points = [call for call in calls if call.name in ("rename", "unlink", "write")]
    assert len([point for point in points if point.name == "rename"]) >= 4, points
    old, new = "www", "web"
    for point in points:
        lab.drover("rename", old, new, status=None, wrap=[
            "strace", "-o", os.devnull, "-e", f"trace={point.name}", "-e",
            f"inject={point.name}:signal=KILL:when={point.number}"])
        lab.drover("restart", "other", "--dry-run")
        lab.drover("stop", "other", "-t", "0")  # takes the lock
        here = [name for name in (old, new) if os.path.exists(lab.vm_data(name))]
        assert len(here) == 1 and identity(lab, here[0]) == before, (point, here)
        assert lab.states()[here[0]] == "running", point
        if here == [new]:
            old, new = new, old
    assert not os.path.exists(os.path.join(lab.data, "rename.json"))
