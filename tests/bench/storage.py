"""storage.py - downloads, overlays and seeds, beside curl and qemu-img"""

import http.server
import os
import shutil
import threading

from host import Timer, note

DOWNLOAD_BYTES = 512 << 20
DISK_BYTES = 1 << 30
OVERLAYS, MANY_OVERLAYS, SEEDS = 20, 50, 20


class Handler(http.server.BaseHTTPRequestHandler):
    """One file, as fast as the kernel sends it."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        with open(self.server.path, "rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(DOWNLOAD_BYTES))
            self.end_headers()
            self.wfile.flush()
            self.connection.sendfile(file)


def serve(path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.path = path
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def make_image(directory):
    """What does not compress, where neither side puts what it fetches."""
    path = os.path.join(directory, "served.qcow2")
    block = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for _ in range(DOWNLOAD_BYTES >> 20):
            file.write(block)
    return path


def measure_downloads(lab, programs, rounds, table):
    """`drover pull` of a URL, with its checksum and its fsync, against curl -O and then sync."""
    server = serve(make_image(lab.scratch))
    url = f"http://127.0.0.1:{server.server_address[1]}/served.qcow2"
    with open(os.path.join(lab.directory, "drover.yaml"), "w", encoding="utf-8") as file:
        file.write(f"name: download\nvms: {{one: {{image: \"{url}\", networks: []}}}}\n")
    ours, theirs = [], []
    for _ in range(rounds):
        shutil.rmtree(os.path.join(lab.directory, "cache"), ignore_errors=True)
        timer = Timer(programs["measure"], lab.directory,
                      {**lab.environment("drover"), "DROVER_CACHE_DIR": os.path.join(lab.directory, "cache")})
        ours.append(timer(programs["drover"], "pull")[0])
        theirs.append(timer("sh", "-c", f"curl -sS -O {url} && sync served.qcow2")[0])
        note(f"download of {DOWNLOAD_BYTES >> 20} MiB: {ours[-1]:.0f}, curl {theirs[-1]:.0f} ms")
    server.shutdown()
    table.add(f"pull of {DOWNLOAD_BYTES >> 20} MiB, checked", ours, "curl -O; sync", theirs, "≤ 1.11 ×",
              lambda mine, other, ratio: ratio <= 1 / 0.9)


def measure_disks(lab, programs, rounds, table, base):
    """Overlays on one image, against as many qemu-img, four at a time; and seeds."""
    timer = Timer(programs["measure"], lab.directory, lab.environment("drover"))
    ours, theirs, many, seeds = [], [], [], []

    def fresh(name):
        path = os.path.join(lab.directory, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    overlays = programs["storage"], "overlays", base, "qcow2", str(DISK_BYTES)
    for _ in range(rounds):
        ours.append(timer(*overlays, str(OVERLAYS), fresh("overlays"))[0])
        bare = f"seq {OVERLAYS} | xargs -P 4 -I N qemu-img create -q -f qcow2 -F qcow2 -b {base} {fresh('bare')}/N"
        theirs.append(timer("sh", "-c", bare)[0])
        many.append(timer(*overlays, str(MANY_OVERLAYS), fresh("overlays"))[0])
        seeds.append(timer(programs["storage"], "seeds", str(SEEDS), fresh("seeds"))[0] / SEEDS)
        note(f"overlays {ours[-1]:.1f}, qemu-img {theirs[-1]:.0f}, {MANY_OVERLAYS} of them {many[-1]:.1f}, "
             f"seed {seeds[-1]:.2f} ms")
    table.add(f"{OVERLAYS} overlays", ours, "qemu-img, four at a time", theirs, "≤ 0.5 ×",
              lambda mine, other, ratio: ratio <= 0.5)
    table.add(f"{MANY_OVERLAYS} overlays on one image", many, goal="≤ 50 ms", met=lambda mine, *_: mine <= 50)
    table.add("a seed", seeds, goal="≤ 5 ms", met=lambda mine, *_: mine <= 5)
