"""network.py - networks: many reservations, many networks; throughput and connections a second on each way into a guest

What stands for a guest is a network namespace on the lab's bridge, with the address of a VM that is paused; another one
stands for another host. The user's uplink is compared with the same program, started by hand for an empty namespace, and from
behind the lab's bridge with the same program, bridge and NAT made by hand. The program alone, at frames of a guest's size,
tells what bridge and NAT cost whoever makes them.
virsh's figures for the same were taken elsewhere: 200 ms for net-create with 100 reservations, 535 ms for net-update of
one.
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

from host import Failed, Lab, command_line, note, processes, run

RESERVATIONS, NETWORKS, CONNECTIONS, SECONDS = 100, 100, 1000, 2
GUEST, CLIENT = "bench-guest", "bench-client"
USER = 65534
LOCAL_MTU, GUEST_MTU = 65520, 1500  # what a user's namespace has towards its uplink, and a guest towards its bridge
QUEUE = 4000
DOWNLOAD = ("--reverse", "--parallel", "4")  # one stream out of pasta stalls now and then, by hand as in a lab

SERVE = """
import socket
listener = socket.create_server(("0.0.0.0", 8080), backlog=1024)
print("ready", flush=True)
while True:
    listener.accept()[0].close()
"""

KNOCK = f"""
import socket, sys, time
start = time.monotonic()
for _ in range({CONNECTIONS}):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as connection:
        connection.recv(1)
print({CONNECTIONS} / (time.monotonic() - start))
"""

WAYS_LAB = """name: ways
isolation: host
networks:
  lan: {subnet: 10.97.0.0/24, bridge: ways0}
vms:
  web: {memory: 96M, networks: {lan: {ip: 10.97.0.10}}, ports: ["5201:5201", "8080:8080"]}
"""

USER_LAB = """name: user
networks:
  lan: {subnet: 10.98.0.0/24, bridge: user0}
vms:
  web: {memory: 96M, networks: {lan: {ip: 10.98.0.10}}, ports: ["5301:5201", "8180:8080"]}
"""


def reservations_lab(last):
    lines = ["name: many", "isolation: host", "networks:", "  lan:", "    subnet: 10.96.0.0/24", "    dhcp:",
             "      reservations:"]
    lines += [f"        - {{mac: \"52:54:00:96:00:{i:02x}\", ip: 10.96.0.{i + 10}, name: r{i}}}" for i in range(RESERVATIONS)]
    return "\n".join(lines[:-1] + [lines[-1].replace(f".{RESERVATIONS + 9},", f".{last},"), "vms: {}"]) + "\n"


def networks_lab():
    lines = ["name: wide", "isolation: host", "networks:"]
    lines += [f"  n{i}: {{subnet: 10.95.{i}.0/24}}" for i in range(NETWORKS)]
    return "\n".join([*lines, "vms: {}"]) + "\n"


def measure_many(bench, rounds):
    lab = bench.lab("many", reservations_lab(200))
    seen = {"up": [], "one": []}
    for number in range(rounds):
        seen["up"].append(lab.verb("up")[0])
        with open(os.path.join(lab.directory, "drover.yaml"), "w", encoding="utf-8") as file:
            file.write(reservations_lab(201 + number))
        seen["one"].append(lab.verb("up")[0])
        lab.verb("down", "-v", "-y")
        lab.anew()
    bench.table.add(f"up, {RESERVATIONS} reservations on one network", seen["up"], goal="≤ 190 ms",
                    met=lambda mine, *_: mine <= 190)
    bench.table.add("one of them changed", seen["one"], goal="≤ 500 ms", met=lambda mine, *_: mine <= 500)
    lab = bench.lab("wide", networks_lab())
    seen = {"up": [], "down": []}
    for _ in range(rounds):
        seen["up"].append(lab.verb("up")[0])
        seen["down"].append(lab.verb("down", "-v", "-y")[0])
        lab.anew()
    for verb, samples in seen.items():
        bench.table.add(f"{verb}, {NETWORKS} networks", samples)


def join(namespace, link, address, gateway, master=None):
    """A namespace at the other end of a pair of links."""
    run(["ip", "netns", "add", namespace])
    run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace])
    run(["ip", "link", "set", link, *(["master", master] if master else []), "up"])
    run(["ip", "-n", namespace, "address", "add", address, "dev", "eth0"])
    run(["ip", "-n", namespace, "link", "set", "eth0", "up"])
    run(["ip", "-n", namespace, "route", "add", "default", "via", gateway])


def throughput(way):
    """Gbit/s that way."""
    prefix, address, shift, *options = way
    report = json.loads(run([*prefix, "iperf3", "-c", address, "-p", str(5201 + shift), "-t", str(SECONDS), "-J", *options]))
    return report["end"]["sum_received"]["bits_per_second"] / 1e9


def rate(way):
    """Connections a second."""
    prefix, address, shift = way[:3]
    return float(run([*prefix, sys.executable, "-c", KNOCK, address, str(8080 + shift)]))


def as_user(*argv):
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all", *argv]


def inside(pid):
    """In the user and network namespaces of a process of the user's."""
    return as_user("nsenter", "--user", "--net", "--preserve-credentials", f"--target={pid}")


def user_processes(*programs):
    return [pid for pid in processes() if os.path.basename(command_line(pid)[0]) in programs
            and os.stat(f"/proc/{pid}").st_uid == USER]


class UserLab(Lab):
    """A lab of an ordinary user's."""

    def environment(self, side):
        own = {f"DROVER_{kind.upper()}_DIR": os.path.join(self.directory, f"{self.round}-{kind}") for kind in ("run", "cache")}
        return {**super().environment(side), **own}

    def verb(self, *arguments):
        os.chown(self.directory, USER, USER)
        return self.drover(*as_user(self.programs["drover"]), *arguments)


class Stage:
    """Servers in namespaces, which end with it."""

    def __init__(self):
        self.children, self.pids, self.names = [], [], []

    def start(self, argv, **options):
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        self.children.append(child)
        if not child.stdout.readline():
            raise Failed(f"{' '.join(argv)} does not start")
        return child

    def serve(self, prefix):
        self.start([*prefix, "iperf3", "-s", "--forceflush"])
        self.start([*prefix, sys.executable, "-c", SERVE])

    def join(self, name, link, address, gateway, master=None):
        """A named namespace at the other end of a pair of links. Returns what leads into it."""
        self.names.append(name)
        join(name, link, address, gateway, master)
        return ["ip", "netns", "exec", name]

    def user_namespace(self, *options):
        """A network namespace of the user's. Returns its process."""
        return self.start(as_user("unshare", *options, "--net", "sh", "-c", "echo ready; read line")).pid

    def close(self):
        for child in self.children:
            child.kill()
            child.communicate()
        for pid in self.pids:
            os.kill(pid, signal.SIGTERM)
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)


def open_tun(bench):
    """/dev/net/tun as an ordinary host has it, in this mount namespace."""
    path = os.path.join(bench.scratch, "tun")
    if not os.path.exists(path):
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
        os.chmod(path, 0o666)
        run(["mount", "--bind", path, "/dev/net/tun"])


def guest_behind(stage, holder, bridge, subnet):
    """What stands for a guest on a bridge of the user's, in that process' namespace. Returns what leads into it."""
    guest = stage.start([*inside(holder), "unshare", "--net", "sh", "-c", "echo ready; read line"]).pid
    run([*inside(holder), "ip", "link", "add", "guest0", "type", "veth", "peer", "name", "eth0", "netns", str(guest)])
    run([*inside(holder), "ip", "link", "set", "guest0", "master", bridge, "up"])
    for words in (f"address add {subnet}.10/24 dev eth0", "link set eth0 up", f"route add default via {subnet}.1"):
        run([*inside(guest), "ip", *words.split()])
    return inside(guest)


def uplink_by_hand(stage, program, mtu):
    """The same program for a namespace with nothing else in it, as it is ready. Returns the process that holds that."""
    pid = stage.user_namespace("--user", "--map-root-user")
    if program == "slirp4netns":
        ready, report = os.pipe()
        argv = as_user(program, "--configure", f"--mtu={mtu}", "--disable-host-loopback", f"--ready-fd={report}", str(pid),
                       "uplink")
        stage.children.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                               pass_fds=[report]))
        os.close(report)
        with open(ready, "rb") as file:
            if not file.read(1):
                raise Failed(f"{program} does not start")
        return pid
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, USER, USER)
        run(as_user("pasta", f"--pid={directory}/pid", f"--mtu={mtu}", "--config-net", "--ns-ifname=uplink", "--no-map-gw",
                    "-t", "none", "-u", "none", "-T", "none", "-U", "none", str(pid)))  # goes into the background then
        with open(f"{directory}/pid", encoding="ascii") as file:
            stage.pids.append(int(file.read()))
    return pid


def bridge_by_hand(pid):
    """A bridge in that namespace, from which one gets out with its address; with the queue that drover gives its uplink."""
    run([*inside(pid), "ip", "link", "set", "uplink", "txqueuelen", str(QUEUE)])
    run([*inside(pid), "ip", "link", "add", "hand0", "type", "bridge"])
    run([*inside(pid), "ip", "address", "add", "10.99.0.1/24", "dev", "hand0"])
    run([*inside(pid), "ip", "link", "set", "hand0", "up"])
    run([*inside(pid), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
    run([*inside(pid), "nft", "table ip hand { chain out { type nat hook postrouting priority srcnat; "
         "ip saddr 10.99.0.0/24 masquerade; }; }"])


def measure_side_by_side(bench, rounds, ways, reference):
    """`ways`: what leads to them, the address, by how much ports are shifted, options of iperf3; `reference`: with what each is
    compared."""
    bulk, knocks = {way: [] for way in ways}, {way: [] for way in ways}
    for number in range(rounds):
        for name, way in ways.items() if number % 2 == 0 else reversed(ways.items()):
            bulk[name].append(throughput(way))
            knocks[name].append(rate(way))
        note(", ".join(f"{name}: {bulk[name][-1]:.1f} Gbit/s, {knocks[name][-1]:.0f}/s" for name in ways))
    for name in ways:
        for what, samples, unit in (("throughput", bulk, "Gbit/s"), ("connections", knocks, "/s")):
            against = reference.get(name)
            goal = ("≥ 0.90 ×", lambda mine, other, ratio: ratio >= 0.90) if name.startswith("uplink of") else ()
            bench.table.add(f"{name}, {what}", samples[name], *((against, samples[against]) if against else ()), *goal,
                            unit=unit)


def measure_uplink(bench, rounds, stage, holder, guest):
    """Out of a user's lab, from the namespace that `holder` is in and from a guest's place; what is fetched lies at CLIENT."""
    program = os.path.basename(command_line(user_processes("pasta", "passt", "passt.avx2", "slirp4netns")[0])[0])
    alone, small, bridged = [uplink_by_hand(stage, program, mtu) for mtu in (LOCAL_MTU, GUEST_MTU, LOCAL_MTU)]
    bridge_by_hand(bridged)
    hand, guest_hand = f"{program} by hand", f"{program}, bridge and NAT by hand"
    ways = {hand: inside(alone), "uplink of a user's lab": inside(holder),
            guest_hand: guest_behind(stage, bridged, "hand0", "10.99.0"), "uplink of a guest behind a user's bridge": guest,
            f"{program} by hand, MTU {GUEST_MTU}": inside(small)}
    measure_side_by_side(bench, rounds, {name: (prefix, "192.0.2.2", 0, *DOWNLOAD) for name, prefix in ways.items()},
                         {"uplink of a user's lab": hand, "uplink of a guest behind a user's bridge": guest_hand})


def measure_ways(bench, rounds):
    """Into guests: over root's bridge, by DNAT, by the forwarder of root and that of a user; and out of a user's lab."""
    if not shutil.which("iperf3"):
        raise Failed("iperf3 is not installed")
    open_tun(bench)
    labs = [bench.lab("ways", WAYS_LAB), UserLab(bench.scratch, "user", USER_LAB, bench.programs, bench.kept)]
    stage = Stage()
    try:
        for lab in labs:
            lab.verb("up", "--paused")
        client = stage.join(CLIENT, "client0", "192.0.2.2/24", "192.0.2.1")
        run(["ip", "address", "add", "192.0.2.1/24", "dev", "client0"])
        run(["ip", "route", "add", "default", "via", "192.0.2.2"])
        holder = user_processes("dnsmasq")[0]
        guest = guest_behind(stage, holder, "user0", "10.98.0")
        for prefix in stage.join(GUEST, "guest0", "10.97.0.10/24", "10.97.0.1", "ways0"), guest, client:
            stage.serve(prefix)
        direct = "over the bridge"
        ways = {direct: ([], "10.97.0.10", 0), "port by DNAT, from another host": (client, "192.0.2.1", 0),
                "port by forwarder, from this host": ([], "127.0.0.1", 0),
                "port of a user's lab, from this host": ([], "127.0.0.1", 100)}
        measure_side_by_side(bench, rounds, ways, {way: direct for way in ways if way != direct})
        measure_uplink(bench, rounds, stage, holder, guest)
    finally:
        stage.close()
        for lab in labs:
            lab.verb("down", "-t", "0")
        for lab in labs:
            lab.anew()


def measure(bench, rounds):
    measure_many(bench, rounds)
    measure_ways(bench, rounds)
