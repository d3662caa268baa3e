"""test_mix.py - many drovers at once: what stands in the end is what some order explains, and readers never wait

DROVER_MIX_SECONDS: how long (default 8; make check-crash takes 120). DROVER_MIX_SEED: what each of them does; printed.
"""

import json
import os
import random
import threading
import time

import host

SECONDS = float(os.environ.get("DROVER_MIX_SECONDS") or 8)
READER_LIMIT_S = 6  # a QEMU may take two seconds, and the machine is busy

LAB = """
networks:
  lan: {subnet: 10.SUBNET.0.0/24, mode: isolated}
vms:
  one: &vm {<<: *fake, networks: [lan], disk: 8M}
  two: *vm
  three: {<<: *vm, depends_on: [one]}
"""
VMS = ("one", "two", "three")
WRITERS = (["up"], ["up", "VM"], ["down", "-t", "0"], ["down", "-t", "0", "VM"], ["stop", "-t", "0", "VM"], ["start", "VM"],
           ["restart", "-t", "0", "VM"], ["stop", "-t", "0"], ["up", "--restart", "-t", "0"])
READERS = (["ps", "-a", "--format", "json"], ["plan", "--format", "json"], ["inspect", "VM", "--format", "json"])
STATES = {"absent", "stopped", "crashed", "starting", "running", "paused", "unreachable"}

# What each action makes of a VM, and what it may find.
ACTIONS = {"create": ("running", {"absent"}), "start": ("running", {"absent", "stopped"}), "stop": ("stopped", {"running"}),
           "restart": ("running", {"running", "stopped", "absent"}), "remove": ("absent", {"running", "stopped"}),
           "continue": ("running", {"running"})}


class Mix:
    """Threads that run drover until the time is over, and what they found wrong."""

    def __init__(self, seed):
        self.seed, self.end, self.wrong, self.runs, self.slowest = seed, time.monotonic() + SECONDS, [], 0, 0.0
        self.threads = []

    def begin(self, function, lab):
        chance = random.Random(f"{self.seed} {len(self.threads)}")

        def repeat():
            try:
                while time.monotonic() < self.end and not self.wrong:
                    function(lab, chance)
                    self.runs += 1
            except Exception as reason:  # pylint: disable=broad-except; told in the test's own thread
                self.wrong.append(repr(reason) if not str(reason) else str(reason))

        self.threads.append(threading.Thread(target=repeat))

    def run(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()

    def write(self, lab, chance):
        verb = [chance.choice(VMS) if word == "VM" else word for word in chance.choice(WRITERS)]
        result = lab.drover("--lock-timeout", "60s", *verb, status=None)
        refused = result.status == 1 and verb[0] in ("start", "restart") and "has not been made yet" in result.err
        assert result.status == 0 or refused, f"a writer failed: {result}"

    def read(self, lab, chance):
        verb = [chance.choice(VMS) if word == "VM" else word for word in chance.choice(READERS)]
        began = time.monotonic()
        result = lab.drover(*verb, status=None)
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        assert took < READER_LIMIT_S, f"a reader took {took:.1f} s: {result}"
        assert result.status == 0, f"a reader failed: {result}"
        if verb[0] == "ps":
            found = {vm["name"]: vm["state"] for vm in result.json()["vms"]}
            assert set(found) <= set(VMS) and set(found.values()) <= STATES, found
        else:
            json.loads(result.out)

    def kill_supervisor(self, lab, chance):
        for pid in lab.supervisors():
            host.end_process(pid)
        time.sleep(chance.uniform(0.1, 0.5))  # no event: the point is any moment


def replay(lab):
    """The VMs by what the journal says was done to them, in the order of the lock; an action that no order explains fails."""
    state = dict.fromkeys(VMS, "absent")
    with open(os.path.join(lab.data, "events.jsonl"), encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    for event in events:
        if event["kind"] == "vm" and event["event"] in ACTIONS and "failed" not in event:
            after, before = ACTIONS[event["event"]]
            assert state[event["name"]] in before, f"{event} of a VM that was {state[event['name']]}"
            state[event["name"]] = after
    return state


def test_mix(world, capsys):
    """Writers and readers on two projects, their supervisors killed now and then: serialised, whole, and never stuck."""
    seed = os.environ.get("DROVER_MIX_SEED") or str(random.randrange(1 << 32))
    mix = Mix(seed)
    labs = [world.lab(LAB.replace("SUBNET", str(number)), name, fake=True) for number, name in ((91, "a"), (92, "b"))]
    for lab in labs:
        lab.drover("up")
        for function in (mix.write, mix.write, mix.write, mix.read, mix.read, mix.kill_supervisor):
            mix.begin(function, lab)
    mix.run()
    with capsys.disabled():
        print(f"\nmix: {mix.runs} runs (seed {seed}), the slowest reader took {mix.slowest:.1f} s", flush=True)
    assert not mix.wrong, f"seed {seed}: {mix.wrong[0]}"
    for lab in labs:
        expected = {name: state for name, state in replay(lab).items() if state != "absent"}
        assert {name: state for name, state in lab.states().items() if state != "absent"} == expected, f"seed {seed}"
        lab.drover("up")
        assert set(lab.states().values()) == {"running"}
        lab.assert_satisfied()
        assert len(lab.supervisors()) == 1
