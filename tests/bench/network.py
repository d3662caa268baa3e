"""network.py - networks: many reservations, many networks; throughput and connections a second on each way into a guest

What stands for a guest is a network namespace on the lab's bridge, with the address of a VM that is paused; another one stands
for another host. virsh's figures for the same were taken elsewhere: 200 ms for net-create with 100 reservations, 535 ms for
net-update of one.
"""

import json
import os
import shutil
import subprocess
import sys

from host import Failed, note, run

RESERVATIONS, NETWORKS, CONNECTIONS, SECONDS = 100, 100, 2000, 2
GUEST, CLIENT = "bench-guest", "bench-client"

SERVE = """
import socket
listener = socket.create_server(("10.97.0.10", 8080), backlog=1024)
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


def throughput(prefix, address):
    """Gbit/s into the guest."""
    report = json.loads(run([*prefix, "iperf3", "-c", address, "-t", str(SECONDS), "-J"]))
    return report["end"]["sum_received"]["bits_per_second"] / 1e9


def rate(prefix, address):
    """Connections a second."""
    return float(run([*prefix, sys.executable, "-c", KNOCK, address, "8080"]))


def measure_ways(bench, rounds):
    if not shutil.which("iperf3"):
        raise Failed("iperf3 is not installed")
    lab = bench.lab("ways", WAYS_LAB)
    servers = []
    lab.verb("up", "--paused")
    try:
        join(GUEST, "guest0", "10.97.0.10/24", "10.97.0.1", "ways0")
        join(CLIENT, "client0", "192.0.2.2/24", "192.0.2.1")
        run(["ip", "address", "add", "192.0.2.1/24", "dev", "client0"])
        inside = ["ip", "netns", "exec", GUEST]
        for argv in ["iperf3", "-s", "-B", "10.97.0.10", "--forceflush"], [sys.executable, "-c", SERVE]:
            servers.append(subprocess.Popen([*inside, *argv], stdout=subprocess.PIPE))
            servers[-1].stdout.readline()
        client = ["ip", "netns", "exec", CLIENT]
        ways = {"over the bridge": ([], "10.97.0.10"), "DNAT, from another host": (client, "192.0.2.1"),
                "forwarder, from this host": ([], "127.0.0.1")}
        bulk, knocks = {way: [] for way in ways}, {way: [] for way in ways}
        for _ in range(rounds):
            for way, (prefix, address) in ways.items():
                bulk[way].append(throughput(prefix, address))
                knocks[way].append(rate(prefix, address))
            note(", ".join(f"{way}: {bulk[way][-1]:.1f} Gbit/s, {knocks[way][-1]:.0f}/s" for way in ways))
        direct = "over the bridge"
        for way in ways:
            for what, samples, unit in (("throughput", bulk, "Gbit/s"), ("connections", knocks, "/s")):
                against = (direct, samples[direct]) if way != direct else ()
                bench.table.add(f"published port, {what}: {way}", samples[way], *against, unit=unit)
    finally:
        for server in servers:
            server.kill()
            server.communicate()
        for namespace in (GUEST, CLIENT):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, stderr=subprocess.DEVNULL)
        lab.verb("down", "-t", "0")
        lab.anew()


def measure(bench, rounds):
    measure_many(bench, rounds)
    measure_ways(bench, rounds)
