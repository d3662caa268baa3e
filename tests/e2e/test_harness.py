"""test_harness.py - the tests' own eyes: the census sees what is there, strace's reader sees what changes something"""

import host
import strace

LAB = """
networks:
  lan: {subnet: 10.20.0.0/24}
vms:
  one: {<<: *fake, networks: [lan], disk: 16M}
"""


def test_changes_are_seen(world):
    """A down shows as what it is: files, links, rules and processes that go."""
    lab = world.lab(LAB, fake=True)
    lab.drover("up")
    seen = "\n".join(strace.mutations(lab, "down", "-v", "-y", "-t", "0"))
    for sign in ("unlink", "AT_REMOVEDIR", "state.json", r"nlmsg_type=0x11", r"nlmsg_type=0x10", "pidfd_send_signal"):
        assert sign in seen, f"no {sign} in:\n{seen}"


def test_leftovers_are_seen(world):
    """The census of a running lab, and of a namespace in which a link was forgotten."""
    lab = world.lab(LAB, fake=True)
    lab.drover("up")
    left = host.leftovers(lab.name, patience=0)
    for sign in ("dnsmasq --conf-file", "fake-qemu", "drover supervise", f"namespace drover-{lab.name}"):
        assert any(sign in line for line in left), f"no {sign} in {left}"
    assert lab.leftovers(files=True)[-1] == f"directory {lab.data}"
    namespace = host.Namespace(f"{world.token}-x")
    namespace.run("ip", "link", "add", "forgotten", "type", "bridge")
    namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    assert [line.split(" ")[1] for line in namespace.close()] == ["links", "addresses", "ip_forward"]
