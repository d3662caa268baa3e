"""test_init.py - a project file to begin with, and what its keys mean"""

import os
import re


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_init_plans(world):
    """What init writes plans as it is, with its comments as they are, and with all of them taken for keys."""
    lab = world.lab("", fake=True)
    directory = world.make_directory("My_Lab.1")
    path = os.path.join(directory, "drover.yaml")
    assert lab.drover("init", cwd=directory).err.startswith("wrote 'drover.yaml'\n")
    text = read(path)
    assert "\nname: mylab1\n" in text
    config = lab.drover("-f", path, "config")
    assert config.err == "" and "mylab1" in config.out
    plan = lab.drover("-f", path, "-p", lab.name, "plan", "--exit-code", status=2)
    assert "create vm 'web'" in plan.out or "web" in plan.out, plan
    for name in ("debian-12.qcow2", "vmlinuz", "initrd", "install.iso"):
        with open(os.path.join(directory, name), "wb") as file:
            file.truncate(1 << 20)
    head, body = text.split("name:", 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + "name:" + re.sub(r"^#(?=   | db:)", " ", body, flags=re.MULTILINE))
    full = lab.drover("-f", path, "config", "--format", "json").json()
    assert set(full["vms"]) == {"web", "db"} and full["vms"]["db"]["depends_on"], full
    assert len(full["vms"]["web"]["disks"]) == 2 and full["networks"]["lan"]["mode"] == "isolated"


def test_init_overwrites_nothing(world):
    """A file that is there stays as it is, also drover.yml; nothing is written that would not plan."""
    lab = world.lab("", fake=True)
    directory = world.make_directory("project")
    lab.drover("init", cwd=directory)
    before = read(os.path.join(directory, "drover.yaml"))
    assert "there is a 'drover.yaml' already" in lab.drover("init", "-m", cwd=directory, status=1).err
    assert read(os.path.join(directory, "drover.yaml")) == before
    os.rename(os.path.join(directory, "drover.yaml"), os.path.join(directory, "drover.yml"))
    assert "there is a 'drover.yml' already" in lab.drover("init", cwd=directory, status=1).err
    for image, reason in (("./no.qcow2", "there is no file"), ("debian", "there is no image 'debian'")):
        assert reason in lab.drover("init", "--output", "other.yaml", image, cwd=directory, status=3).err
    lab.drover("--dry-run", "init", "--output", "other.yaml", cwd=directory)
    assert os.listdir(directory) == ["drover.yml"]
    minimal = lab.drover("-p", "shop", "init", "-m", "--output", "-", cwd=directory).out
    assert minimal.startswith("name: shop\n") and "#" not in minimal
    assert "is no name" in lab.drover("-p", "No Name", "init", cwd=directory, status=4).err


def test_explain(world):
    """A path of keys, with or without the file's own names in it; unknown ones suggest."""
    lab = world.lab("", fake=True)
    for path in ("vms.memory", "vms.web.memory", "memory"):
        out = lab.drover("explain", path).out
        assert out.startswith("vms.memory: ") and "16M to 16T" in out and "512M" in out and "at once" in out, out
        assert re.search(r"^  max +up to which", out, re.MULTILINE)
    assert "next start" in lab.drover("explain", "vms.machine").out
    assert "not yet" in lab.drover("explain", "vms.web.autostart").out
    assert re.search(r"^  autostart .*not supported yet", lab.drover("explain", "vms").out, re.MULTILINE)
    for path, hint in (("vms.memroy", "did you mean 'memory'?"), ("mem_limit", "did you mean 'memory'?"),
                       ("memroy", "did you mean 'vms.memory'?"), ("services", "did you mean 'vms'?"),
                       ("disk", "did you mean 'disks' or 'vms.disk' or 'vms.disks.disk'?"),
                       ("vms.cpus.max.x", "has no keys below it"), ("vms.web.disks.0.sise", "did you mean 'size'?"),
                       ("..", "")):
        result = lab.drover("explain", path, status=6)
        assert result.err.startswith("error: there is no key '") and hint in result.err, (path, result)
    listed = lab.drover("explain", "--format", "json").json()["keys"]
    assert {"name", "vms", "disks", "networks"} <= {key["path"] for key in listed}
    keys = lab.drover("explain", "vms.lan.networks.eth0", "--format", "json").json()["keys"]
    assert keys[0]["path"] == "vms.networks" and {"path", "type", "help", "change", "example", "supported"} <= set(keys[0])
    assert any(key["path"] == "vms.networks.mac" and key["supported"] for key in keys[1:])
