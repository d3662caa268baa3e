"""test_reach.py - seeds for cloud-init as VMs get them, and the ways into guests: what can be seen without an ssh server

What real cloud-init and a real ssh server make of it is in test_debian.py.
"""

import os

SEEDED = """\
networks: {lan: {subnet: 10.61.0.0/24}}
vms:
  one:
    <<: *guest
    disk: 64M
    networks: {lan: {ip: 10.61.0.10}}
    ssh: {user: ann, port: 80}
    files: [{path: /etc/motd, content: "hello there"}]
"""


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_seed_and_fresh(world):
    lab = world.lab(SEEDED, fake=True)
    lab.drover("up")
    seed = lab.vm_data("one", "seed.iso")
    key = os.path.join(lab.data, "ssh", "id_ed25519")
    public = read(f"{key}.pub").strip()
    text = read(seed)
    assert os.stat(key).st_mode & 0o777 == 0o600
    assert public in text and b"hello there" in text and b'"name": "ann"' in text
    first = f'{lab.spec("one")["uuid"]}-0'.encode()
    assert first in text
    lab.assert_satisfied()

    lab.replace("hello there", "good bye")
    steps = [(step["action"], [change["key"] for change in step["changes"]]) for step in lab.plan()["steps"] if step["changes"]]
    assert steps == [("fresh-pending", ["files"])], steps
    lab.drover("up", "--restart", "-y")
    lab.drover("plan", "--exit-code", status=2)  # the disk was set up by the old one
    lab.drover("up", "--fresh", "-y", "-t", "0", "one")
    text = read(seed)
    assert b"good bye" in text and first not in text and first[:-1] + b"1" in text
    assert read(f"{key}.pub").strip() == public
    lab.assert_satisfied()


def test_into_a_private_network(world):
    lab = world.lab(SEEDED)
    lab.drover("up")
    lab.console("one").ready()
    answer = lab.drover("-p", lab.name, "connect", "10.61.0.10", "80", stdin="GET /nothing HTTP/1.0\r\n\r\n")
    assert answer.out.startswith("HTTP/1."), answer
    refused = lab.drover("-p", lab.name, "connect", "10.61.0.10", "81", status=255)
    assert "Connection refused" in refused.err
    config = lab.drover("ssh-config").out
    assert "Host one\n  HostName 10.61.0.10\n  Port 80\n  User ann\n" in config
    assert f"-p {lab.name} connect %h %p\n" in config
    # What listens there is no ssh server: ssh itself says so, and ends as it always does then.
    said = lab.drover("exec", "-T", "one", "--", "true", status=255).err
    assert said.startswith("note: over the network, as ann at 10.61.0.10")


def test_no_way_in(world):
    lab = world.lab(SEEDED.replace(", port: 80", ""))
    lab.drover("up")
    lab.console("one").ready()
    for verb in (("exec", "one", "--", "true"), ("ssh", "one", "--", "true")):
        failed = lab.drover(*verb, status=255)
        assert "no ssh (cannot connect to 10.61.0.10 port 22: Connection refused), and" in failed.err, failed
    assert "no ssh" in lab.drover("cp", "one:/etc/hosts", ".", status=None).err
    assert "is not running" not in lab.drover("ssh", "one", status=255).err
    lab.drover("exec", "nobody", "--", "true", status=255)
    lab.drover("exec", status=255)
    lab.drover("exec", "--nonsense", "one", status=255)
    lab.drover("cp", "a", "b", status=4)
