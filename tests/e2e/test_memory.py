"""test_memory.py - drover without memory: the right result or a sentence, never a crash and never another result"""

import os
import resource
import subprocess

from conftest import TOP

FILE = """
x-base: &base {cpus: 2, memory: 256M, labels: {role: test}}
networks: {lan: {subnet: 10.20.0.0/24, dhcp: {range: 10.20.0.100-10.20.0.199, lease: 12h}}}
disks: {data: {size: 1G}}
vms:
  web: {<<: *base, networks: {lan: {ip: 10.20.0.10, aliases: [www]}}, disks: [data, {name: own, size: 2G}]}
  db: {<<: *base, memory: 512M, depends_on: [web], networks: [lan], stop_grace_period: 5s, qemu_args: ["-device", "edu"]}
"""
FAULTY = FILE.replace("512M", "512X").replace("cpus: 2", "cpuss: 2")
DROVER = os.path.abspath(os.environ.get("DROVER", os.path.join(TOP, "build/drover")))
LIBRARY = os.path.join(os.path.dirname(DROVER), "fail-malloc.so")


def run(world, path, **environment):
    """Runs `config` on a file with a library preloaded: (status, standard output, standard error)."""
    done = subprocess.run([world.programs.drover, "-f", path, "config"], capture_output=True, text=True, timeout=60,
                          check=False, env={"PATH": os.environ["PATH"], "LD_PRELOAD": LIBRARY, **environment})
    return done.returncode, done.stdout, done.stderr


def write(world, name, text):
    path = world.path(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def sweep(world, text):
    """Every request of the loader fails once, and from each of them on none is granted."""
    path, count_path = write(world, "drover.yaml", text), world.path("count")
    right = run(world, path, MALLOC_COUNT=count_path)
    with open(count_path, encoding="ascii") as file:
        count = int(file.read())
    assert count > 300, "the library is not used"
    for at in range(1, count + 1, max(1, count // 250)):
        for once in ({}, {"MALLOC_FAIL_ONCE": "1"}):
            status, output, errors = run(world, path, MALLOC_FAIL_AT=str(at), **once)
            if "error: out of memory" in errors:
                assert status == 1 and right[1].startswith(output), (at, once, status, output)
            else:
                assert (status, output, errors) == right, (at, once)
    return right


def test_every_request_fails_once(world):
    status, output, _ = sweep(world, FILE)
    assert status == 0 and "10.20.0.10" in output


def test_every_request_fails_once_where_there_are_errors(world):
    status, _, errors = sweep(world, FAULTY)
    assert status == 3 and "did you mean 'cpus'?" in errors


def test_little_memory(world):
    """A limit on the address space, as the kernel enforces it, with a file that needs some tens of MiB."""
    path = write(world, "big.yaml", "vms:\n" + "".join(f"  vm-{i}: {{memory: 64M, cpus: 1}}\n" for i in range(60000)))
    right = subprocess.run([world.programs.drover, "-f", path, "config", "-q"], capture_output=True, text=True, timeout=60,
                           check=True)
    seen = set()
    for mib in list(range(8, 60, 4)) + list(range(60, 300, 20)):
        limit = mib << 20
        done = subprocess.run([world.programs.drover, "-f", path, "config", "-q"], capture_output=True, text=True, timeout=60,
                              check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        if done.returncode == 127:  # the dynamic linker's own
            continue
        assert done.returncode in (0, 1), (mib, done)
        assert done.stdout == right.stdout
        if done.returncode:
            assert "out of memory" in done.stderr or "failed to allocate" in done.stderr, (mib, done.stderr)
        seen.add(done.returncode)
    assert seen == {0, 1}
