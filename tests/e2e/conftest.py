"""conftest.py - fixtures of the end-to-end tests: the programs under test, and a world for each test

DROVER names the program, DROVER_GUEST_DIR the tiny guest (tests/guest/build), FAKE_QEMU the fake one (default: beside drover).
All of it runs as root; labs run in namespaces of their own, and what they leave behind fails the test that made them.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
import types

import pytest

from world import World

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def find_program(variable, *places):
    for path in [os.environ.get(variable), *places]:
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    pytest.skip(f"no program for {variable}: run 'make' first")
    return None


@pytest.fixture(scope="session", autouse=True)
def network():
    """All tests run in a network namespace of their own, which root's drover takes for the host's."""
    if os.geteuid() != 0:
        return
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:  # CLONE_NEWNET; os.unshare() is not in Python 3.11
        pytest.skip(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@pytest.fixture(scope="session")
def programs():
    """Paths of what is tested, in a directory that QEMU's user and ordinary users can pass through."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces, and a user to be made")
    drover = find_program("DROVER", os.path.join(TOP, "build/drover"))
    fake = find_program("FAKE_QEMU", os.path.join(os.path.dirname(drover), "fake-qemu"), os.path.join(TOP, "build/fake-qemu"))
    guest = os.environ.get("DROVER_GUEST_DIR") or os.path.expanduser("~/.cache/drover-guest")
    if not os.path.exists(os.path.join(guest, "initrd.gz")):
        pytest.skip(f"no tiny guest in {guest}: run tests/guest/build")
    directory = tempfile.mkdtemp(prefix="drover-e2e-", dir="/tmp")
    os.chmod(directory, 0o755)
    strike = find_program("STRIKE", os.path.join(os.path.dirname(drover), "strike"), os.path.join(TOP, "build/strike"))
    for path in (drover, fake, os.path.join(guest, "vmlinuz"), os.path.join(guest, "initrd.gz"),
                 os.path.join(guest, "initrd-agent.gz")):
        shutil.copy(path, directory)
    yield types.SimpleNamespace(drover=os.path.join(directory, os.path.basename(drover)),
                                fake_qemu=os.path.join(directory, os.path.basename(fake)), strike=strike, guest=directory,
                                guest_cache=guest, source=TOP)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def debian(programs):
    """The disk image of a Debian guest; kernel and initrd of the tiny one boot it."""
    done = subprocess.run([os.path.join(TOP, "tests/guest/debian")],
                          env={**os.environ, "DROVER_GUEST_DIR": programs.guest_cache},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def world(programs):
    """A world of the test's own. What is left after `down -v` of all its labs fails the test."""
    world = World(programs)
    try:
        yield world
    finally:
        complaints = world.close()
    assert not complaints, "left behind:\n" + "\n".join(complaints)
