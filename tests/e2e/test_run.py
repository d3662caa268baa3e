"""test_run.py - drover run: a VM for one command; over the network it is in test_debian.py"""

import os
import signal
import subprocess

RUN = """\
networks: {lan: {subnet: 10.64.0.0/24}}
disks: {data: 16M}
vms:
  one:
    <<: *guest
    disk: 64M
    networks: {lan: {ip: 10.64.0.10, mac: "52:54:00:64:00:10", aliases: [first]}}
    ports: ["127.0.0.1:8064:80"]
    disks: [data, {name: own, size: 16M}, {name: far, url: "nbd://127.0.0.1/far"}]
    restart: always
  two: {<<: *fake, networks: [lan], disk: 16M}
"""


def test_run(world):
    """Through the guest agent: bytes both ways, the status, and nothing stays of what was made for it alone."""
    lab = world.lab(RUN.replace("<<: *guest", "<<: *guest\n    boot: {kernel: %s/vmlinuz, initrd: %s/initrd-agent.gz, "
                                "cmdline: console=ttyS0 no_timer_check}" % ((world.programs.guest,) * 2)))
    every_byte = bytes(range(256)) * 300
    done = subprocess.run(lab.argv("run", "-i", "--name", "once", "-e", "WHO=a b", "one", "--", "sh", "-c",
                                   'cat; echo "$WHO" >&2; ls /sys/block >&2; exit 42'), input=every_byte, env=lab.environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=150, check=False)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout == every_byte) == (42, True), said
    assert "note: vm 'once' is without disk 'data'\n" in said and "note: vm 'once' is without disk 'far'\n" in said
    assert "\nnote: through the guest agent, as root: no ssh" in said
    assert "\na b\n" in said and "\nvda\nvdb\n" in said and "vdc" not in said, said
    assert lab.leftovers(files=True) == []


def waiting(lab, *arguments):
    """A run whose guest will never answer, and which waits for it."""
    child = lab.begin("run", "--name", "once", *arguments, "two", "--", "true")
    while "vm once created" not in child.stderr.readline():
        assert child.poll() is None
    return child


def test_run_cut_short(world):
    lab = world.lab(RUN, fake=True)
    child = waiting(lab)
    config = lab.drover("config", "--format", "json").json()
    assert list(config["vms"]) == ["one", "two"]
    assert lab.states()["once"] == "running"
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(30) == 130 and lab.leftovers(files=True) == []

    # Others that work on the project let it be; what is theirs stays.
    lab.drover("up", "two")
    child = waiting(lab)
    lab.drover("up", "--remove-orphans", "two")
    assert lab.states()["once"] == "running" and "once" not in lab.drover("plan", "two").out
    refused = lab.drover("run", "--name", "once", "two", "--", "true", status=255)
    assert "there is a vm 'once' in project" in refused.err
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(30) == 130 and lab.states() == {"two": "running"}

    # Nobody is left to remove it: whoever comes next does.
    child = waiting(lab)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(30)
    plan = [(step["action"], step["name"], step.get("detail")) for step in lab.plan("two")["steps"]]
    assert ("remove", "once", "its 'drover run' has ended") in plan, plan
    lab.drover("up", "two")
    assert lab.states() == {"two": "running"} and not os.path.exists(lab.vm_data("once"))
    lab.drover("down", "-v", "-y")
    child = waiting(lab)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(30)
    lab.drover("down")
    assert not os.path.exists(lab.vm_data("once")) and [line for line in lab.leftovers()] == []


def test_run_images(world):
    """Without a project file an image will do; what is neither is told."""
    lab = world.lab(RUN, fake=True)
    image = world.path("small.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "16M"], check=True)
    os.chmod(image, 0o644)
    os.unlink(lab.file)
    late = lab.drover("-p", lab.name, "run", "--timeout", "100ms", image, "--", "true", status=255)
    assert "error: vm 'small-run-" in late.err and "nor a guest agent after 0 s" in late.err
    assert lab.leftovers(files=True) == []
    unknown = lab.drover("-p", lab.name, "run", "nothing", "--", "true", status=255)
    assert "there is no vm 'nothing' here, and no image of that name" in unknown.err
    lab.write(RUN)
    for arguments, said in ((["on"], "did you mean 'one'?"), (["--name", "two", "one"], "the file has a vm 'two'"),
                            (["--name", "Two", "one"], "'Two' is no name for a VM")):
        assert said in lab.drover("run", *arguments, "--", "true", status=255).err
    assert lab.leftovers(files=True) == []
