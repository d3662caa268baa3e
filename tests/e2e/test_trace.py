"""test_trace.py - everything goes through netlink and libnftables: no program is started for it"""

import os
import re

import pytest

from test_user import make_lab

LAB = """
networks:
  lan: {subnet: 10.84.0.0/24}
  dmz: {subnet: 10.85.0.0/24, mode: isolated}
vms:
  web: {<<: *fake, networks: {lan: {ip: 10.84.0.10}}, ports: ['8080:80']}
"""


STRACE = ("strace", "-f", "-qq", "--seccomp-bpf", "-s", "200", "-e", "trace=execve", "-o")


def assert_own(trace):
    """No program was started that changes networks."""
    with open(trace, encoding="utf-8", errors="replace") as file:
        names = [os.path.basename(name) for name in re.findall(r'execve\("([^"]*)"', file.read())]
    assert {"dnsmasq", "drover"} <= set(names) and len(names) > 5, names
    assert not {"ip", "tc", "nft", "brctl", "bridge", "sysctl"} & set(names)
    assert not [name for name in names if "tables" in name]


@pytest.mark.parametrize("isolation", ["host", "private"])
def test_no_program_for_the_network(world, isolation):
    """up, a change while it runs, and down start QEMU, dnsmasq and drover itself, but none that changes networks.

    A namespace that goes takes its bridges along, those of the host are removed one by one.
    """
    namespace = world.namespace()
    namespace.run("nft", "table inet strict { chain forward { type filter hook forward priority 0; policy drop; }; }")
    lab = world.lab(LAB, namespace=namespace, isolation=isolation, fake=True)
    trace = world.path("trace")
    script = """
        set -e
        "$0" up
        sed -i 's/10.84.0/10.86.0/g; s/8080:80/8081:80/; s/mode: isolated/host_ip: 10.85.0.2/' drover.yaml
        "$0" up --restart
        DROVER_TRACE=down.trace "$0" down -v -y -t 0
    """
    wrap = (*STRACE, trace, "sh", "-c", script)
    lab.drover(wrap=wrap)
    assert_own(trace)
    with open(os.path.join(lab.directory, "down.trace"), encoding="utf-8") as file:
        removed = set(re.findall(r"remove link '(lan|dmz)-", file.read()))
    assert removed == ({"lan", "dmz"} if isolation == "host" else set())
    namespace.run("nft", "flush", "ruleset")


def test_no_program_for_a_user(world):
    """The same for an ordinary user, but for the one that is the way out."""
    lab, _ = make_lab(world, LAB, fake=True)
    lab.prefix = [*world.namespace().prefix, *lab.prefix]
    trace = world.path("home", "trace")
    lab.drover(wrap=(*STRACE, trace, "sh", "-c", '"$0" up && "$0" down -v -y -t 0'))
    assert_own(trace)
    with open(trace, encoding="utf-8", errors="replace") as file:
        assert "/pasta\"" in file.read()
