"""test_harness.py - the tests' own eyes: the census sees what is there, strace's reader sees what changes something"""

import os
import subprocess

import host
import strace

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

LAB = """
networks:
  lan: {subnet: 10.20.0.0/24}
vms:
  one: {<<: *fake, networks: [lan], disk: 16M}
"""


def test_changes_are_seen(world):
    """A down shows as what it is: files, links, rules and processes that go. (A private namespace takes its links along.)"""
    lab = world.lab(LAB, fake=True, isolation="host", namespace=world.namespace())
    lab.drover("up")
    seen = "\n".join(strace.mutations(lab, "down", "-v", "-y", "-t", "0"))
    for sign in ("unlink", "AT_REMOVEDIR", "state.json", "RTM_DELLINK", "NFT_MSG_DELTABLE", "pidfd_send_signal"):
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


FUZZ_TARGET = r"""#!/usr/bin/python3
import sys
prefix = next(a for a in sys.argv if a.startswith("-artifact_prefix=")).partition("=")[2]
print("INFO: Seed: 1", *(f"#{i}\tREDUCE cov: 9 ft: 9 corp: 1/1b" for i in range(100)), "==1==ERROR: AddressSanitizer: x",
      *("#200\tpulse",) * 100, f"Test unit written to {prefix}crash-1", "#300\tNEW", sep="\n", file=sys.stderr)
open(prefix + "crash-1", "wb").write(b"vms:\xff")
sys.exit("-seed=77" in sys.argv)
"""


def test_fuzzing_tells_what_it_found(tmp_path):
    """The report without the progress around it, the input, the seed and the commands that show it again."""
    os.mkdir(tmp_path / "fuzz")
    path = tmp_path / "fuzz" / "fuzz-boom"
    path.write_text(FUZZ_TARGET)
    path.chmod(0o755)
    done = subprocess.run(["tests/run", "fuzz"], cwd=TOP, env={**os.environ, "BUILD": str(tmp_path), "FUZZ_SEED": "77"},
                          stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stdout.endswith("0 passed, 1 failed\n")
    for sign in ("AddressSanitizer: x", "-seed=77 ", "echo dm1zOv8= | base64 -d >input"):
        assert sign in done.stdout, done.stdout
    for noise in ("REDUCE", "NEW", "pulse"):
        assert noise not in done.stdout, done.stdout
