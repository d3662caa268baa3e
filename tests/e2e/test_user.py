"""test_user.py - as an ordinary user: a lab in a user namespace, without any right on the host"""

import os
import re

import host

PAIR = """
networks:
  lan: {subnet: 10.80.0.0/24, mode: isolated}
disks:
  data: {size: 64M}
vms:
  web: {<<: *guest, networks: {lan: {ip: 10.80.0.10}}, disks: [data]}
  client: {<<: *guest, networks: {lan: {ip: 10.80.0.20}}}
"""


def make_lab(world, text, **options):
    """A lab of a new user, with device nodes as an ordinary host has them."""
    devices, user = world.devices(), world.user()
    for name in ("runtime", "share", "cache"):
        user.own(world.make_directory("home", name, mode=0o700))
    roots = {"run": world.path("home/runtime/drover"), "data": world.path("home/share/drover"),
             "cache": world.path("home/cache/drover")}
    environment = {"HOME": world.path("home"), "XDG_RUNTIME_DIR": world.path("home/runtime"),
                   "XDG_DATA_HOME": world.path("home/share"), "XDG_CACHE_HOME": world.path("home/cache"),
                   "DROVER_RUN_DIR": "", "DROVER_DATA_DIR": "", "DROVER_CACHE_DIR": ""}
    lab = world.lab(text, prefix=devices.prefix + user.prefix, environment=environment, roots=roots, **options)
    lab.replace("isolation: private\n", "")  # the default
    return lab, user


def namespace_of(pid, kind="net"):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def test_lab_of_a_user(world):
    """Two guests reach each other by name; each later command finds the namespace again, whoever holds it."""
    lab, user = make_lab(world, PAIR)
    lab.drover("up")
    assert lab.console("web").ready()["address"] == "10.80.0.10"
    assert lab.console("client").ready()["address"] == "10.80.0.20"
    assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
    vms = lab.vms()
    assert {vm["isolation"] for vm in vms.values()} == {"private"}
    for vm in vms.values():
        assert os.stat(f"/proc/{vm['pid']}").st_uid == user.uid
        assert namespace_of(vm["pid"]) == namespace_of(os.getpid()), "QEMU does not stand outside"
    (dnsmasq,) = lab.dnsmasq()
    inside = namespace_of(dnsmasq)
    assert inside != namespace_of(os.getpid()) and namespace_of(dnsmasq, "user") != namespace_of(os.getpid(), "user")
    assert "nothing to do: 2 VMs as the file says" in lab.drover("up").err

    client = vms["client"]["pid"]
    lab.drover("stop", "web")
    assert lab.states() == {"web": "stopped", "client": "running"}
    host.end_process(dnsmasq)
    lab.drover("up")
    assert lab.console("web").ready()["address"] == "10.80.0.10"
    assert lab.shell("client", "wget -qO- http://web/") == "hello from web\n"
    (dnsmasq,) = lab.dnsmasq()
    assert namespace_of(dnsmasq) == inside, "up has made a second namespace"
    assert lab.pids()["client"] == client

    down = lab.drover("down", "-t", "0")
    assert "kept disk: data" in down.err
    assert lab.leftovers() == [] and not os.path.exists(lab.run_directory)
    modes = [oct(os.stat(path).st_mode & 0o777) for path in (lab.data, os.path.join(lab.data, "disks"))]
    assert modes == ["0o700", "0o700"]


def test_namespace_is_found_without_its_holders(world):
    """With dnsmasq and the supervisor killed, the namespace is found through a QEMU that holds it."""
    lab, _ = make_lab(world, PAIR.replace("*guest", "*fake"), fake=True)
    lab.drover("up")
    pids = lab.pids()
    (dnsmasq,) = lab.dnsmasq()
    inside = namespace_of(dnsmasq)
    for pid in host.processes(lab.name):
        if pid not in pids.values():
            host.end_process(pid)
    assert lab.pids() == pids
    lab.drover("up")
    assert namespace_of(lab.dnsmasq()[0]) == inside and lab.pids() == pids
    lab.drover("up", "--force-recreate", "-t", "0")
    assert namespace_of(lab.dnsmasq()[0]) == inside
    lab.drover("down", "-v", "-y", "-t", "0")
    assert lab.leftovers() == []


def test_user_without_tun(world):
    """Where /dev/net/tun is closed to the user, the error says what opens it, and nothing is left behind."""
    user = world.user()
    mode = os.stat("/dev/net/tun").st_mode
    lab = world.lab(PAIR.replace("*guest", "*fake"), prefix=user.prefix, fake=True,
                    roots={kind: world.path("home", kind) for kind in ("run", "data", "cache")})
    if mode & 0o006:
        devices = host.Devices(world.path("closed"))
        world.closers.append(devices.close)
        world.ignore.add(devices.holder.pid)
        host.command(*devices.prefix, "chmod", "600", "/dev/net/tun")
        lab.prefix = devices.prefix + user.prefix
    refused = lab.drover("up", status=None)
    assert refused.status in (1, 5) and re.search(r"/dev/net/tun", refused.err), refused
    assert "running" not in lab.states().values()


def test_host_isolation_needs_root(world):
    """isolation: host as a user is refused as not allowed, before anything is made."""
    lab, _ = make_lab(world, PAIR.replace("*guest", "*fake"), fake=True)
    lab.replace("x-guest:", "isolation: host\nx-guest:")
    refused = lab.drover("up", status=5)
    assert "isolation: private" in refused.err or "root" in refused.err, refused
    assert lab.leftovers() == []
