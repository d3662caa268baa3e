"""test_sweep.py - drover killed, and refused by the kernel, at its system calls: the next up converges, down leaves nothing

DROVER_SWEEP_SECONDS: how long all of it may take (0: every point; else a random sample). DROVER_SWEEP_SEED: which sample.
`make check-crash` takes every point.
"""

import os
import random
import time

import pytest

import host
import strace
import sweep

SECONDS = float(os.environ.get("DROVER_SWEEP_SECONDS") or 40)
SEED = int(os.environ.get("DROVER_SWEEP_SEED") or 1)
MOMENTS = 5 if SECONDS else 100
REFUSED = ("new", "change", "restart", "down", "remove")
SHARE = SECONDS / (len(sweep.SCENARIOS) + len(REFUSED))


def sweep_over(capsys, what, points, function):
    def tell(text):
        with capsys.disabled():
            print(text, flush=True)

    outcome = sweep.visit(points, SHARE, SEED, function, tell)
    survived = outcome.tried - len(outcome.failures)
    tell(f"\n{what}: {len(points)} points, {outcome.tried} tried (seed {SEED}), {outcome.hit} reached, {survived} survived")
    assert not outcome.failures, f"{len(outcome.failures)} of {outcome.tried} points were not survived: {outcome.failures[0]}"
    # The k-th call of a name is another one where threads or answers come in another order; a few may never come.
    assert outcome.hit >= outcome.tried * 0.5, f"only {outcome.hit} of {outcome.tried} calls were reached"


@pytest.mark.parametrize("name", sweep.SCENARIOS)
def test_calls(world, capsys, name):
    """Killed before each call that does something, with up or only down next; and each call fails as it may fail."""
    swept = sweep.Sweep(world, sweep.SCENARIOS[name])
    points = [(call, (number + SEED) % 2 == 0) for number, call in enumerate(strace.acting(swept.calls))]
    sweep_over(capsys, f"killed {name}", points, swept.kill)
    if name in REFUSED:
        sweep_over(capsys, f"refused {name}", sweep.faults(swept.calls, SEED), swept.fail)


def test_moments(world, capsys):
    """Killed at random moments, with several threads and the real QEMU."""
    chance = random.Random(SEED)
    lab = world.lab(sweep.FIRST.replace("*fake", "*guest").replace("image: ./base.qcow2,", "disk: 8M,"))
    began = time.monotonic()
    lab.drover("up", "--paused")
    length = time.monotonic() - began
    lab.drover(*sweep.AWAY)
    hit = 0
    for number in range(MOMENTS):
        up = lab.begin("up", "--paused")
        moment = chance.uniform(0, length)
        time.sleep(moment)  # the point of it: any moment, not one that an event tells
        host.end_process(up.pid)
        up.communicate()
        hit += up.returncode == -9
        if number % 3:
            lab.drover("up", "--paused")
            lab.drover("up")
            lab.assert_satisfied()
        lab.drover(*sweep.AWAY)
        assert lab.leftovers(files=True) == [], f"killed after {moment:.3f} s"
    with capsys.disabled():
        print(f"\nkilled at random moments: {MOMENTS} tried (seed {SEED}), {hit} reached, {MOMENTS} survived", flush=True)
    assert hit, "each up ended before its moment came"
