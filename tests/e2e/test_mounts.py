"""test_mounts.py - folders of the host in guests: files written on both sides, what a guest cannot do, and whose they are

The same boot is asked for what Ignition would find.
"""

import os

import host

ROOT = """\
vms:
  one:
    memory: 128M
    {boot}
    networks: []
    ignition: ./config.ign
    mounts: ["./src:/src", "./docs:/docs:ro", {{source: ./old, target: /old, type: 9p}}]
"""

IGNITION = '{"ignition": {"version": "3.3.0"}}'

USER = """\
vms:
  one:
    memory: 128M
    {boot}
    networks: []
    mounts: ["./src:/src"]
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def servers(lab):
    """The processes that serve this lab's folders."""
    return [pid for pid, arguments in host.processes(lab.directory).items() if "virtiofsd" in arguments.split(" ")[0]]


def test_both_sides(world):
    lab = world.lab("")
    for name in ("src", "docs", "old"):
        os.mkdir(os.path.join(lab.directory, name), 0o755)
    write(os.path.join(lab.directory, "src/theirs"), "from the host")
    write(os.path.join(lab.directory, "docs/page"), "read me")
    write(os.path.join(lab.directory, "config.ign"), IGNITION)
    boot = world.boot("drover.mount=/src drover.mount=/docs drover.mount=/old:9p")
    lab.write(ROOT.format(boot=boot))
    lab.drover("up")
    console = lab.console("one")
    console.wait("guest: mounted /src\n")
    console.wait("guest: mounted /docs\n")
    console.wait("guest: cannot mount /old\n")  # this kernel has no 9p, and the boot goes on
    console.ready()
    assert lab.shell("one", "cat /src/theirs") == "from the host"
    lab.shell("one", "echo from the guest >/src/ours; mknod /src/null c 1 3 || true")
    assert read(os.path.join(lab.directory, "src/ours")) == "from the guest\n"
    assert not os.path.exists(os.path.join(lab.directory, "src/null")), "a guest has made a device"
    assert lab.shell("one", "cat /docs/page; rm /docs/page 2>&1; touch /docs/new 2>&1 || echo refused").endswith("refused\n")
    assert os.listdir(os.path.join(lab.directory, "docs")) == ["page"]
    write(os.path.join(lab.directory, "src/theirs"), "changed")
    lab.shell("one", "until [ $(cat /src/theirs) = changed ]; do usleep 50000; done")  # it may cache for a second
    assert len(servers(lab)) >= 2
    lab.assert_satisfied()
    assert lab.vms()["one"]["pending"] == []

    # Where Ignition looks for its configuration.
    lab.shell("one", "insmod /modules/qemu_fw_cfg.ko")
    assert lab.shell("one", "cat /sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw") == IGNITION

    lab.replace('"./docs:/docs:ro", ', "")
    change = next(step for step in lab.plan()["steps"] if step["changes"])["changes"][0]
    assert (change["key"], change["change"]) == ("mounts./docs", "restart"), change
    lab.replace('mounts: ["./src:/src", ', 'mounts: ["./src:/src", "./docs:/docs:ro", ')
    lab.assert_satisfied()

    for pid in servers(lab):
        host.end_process(pid)
    lost = lab.plan()["steps"]
    assert [change["from"] for step in lost for change in step["changes"]] == ["its virtiofsd has ended"] * 2, lost
    assert [change["key"] for change in lab.vms()["one"]["pending"]] == ["mounts./src", "mounts./docs"]
    lab.drover("up", "--restart", "-y", "-t", "0")
    lab.assert_satisfied()
    console.wait("guest: mounted /src\n")
    lab.drover("kill", "one")
    host.wait_until(lambda: not servers(lab), "no server is left")


def test_of_a_user(world):
    """The guest's root is the user."""
    user, devices = world.user(), world.devices()
    roots = {kind: world.make_directory("home", kind, mode=0o700) for kind in ("run", "data", "cache")}
    lab = world.lab("", prefix=devices.prefix + user.prefix, roots=roots)
    folder = os.path.join(lab.directory, "src")
    os.mkdir(folder, 0o700)
    write(os.path.join(folder, "theirs"), "from the host")
    for path in (*roots.values(), lab.directory, folder, os.path.join(folder, "theirs")):
        user.own(path)
    lab.write(USER.format(boot=world.boot("drover.mount=/src")))
    lab.drover("up")
    lab.console("one").wait("guest: mounted /src\n")
    lab.console("one").ready()
    assert lab.shell("one", "stat -c %u /src/theirs; echo mine >/src/ours") == "0\n"
    written = os.stat(os.path.join(folder, "ours"))
    assert (written.st_uid, written.st_gid) == (user.uid, user.gid)
    # Of the guest's other users, the first is the first of the user's subordinate ids.
    ids = {line.split(":")[0]: int(line.split(":")[1]) for line in read("/etc/subuid").splitlines()}
    lab.shell("one", "mkdir -m 777 /src/theirs.d; chown 1:1 /src/theirs.d")
    assert os.stat(os.path.join(folder, "theirs.d")).st_uid == ids[user.name]
    lab.shell("one", "chown 0:0 /src/theirs.d; rmdir /src/theirs.d")
