"""test_sweep.py - drover killed, and refused by the kernel, at its system calls: the next up converges, down leaves nothing

DROVER_SWEEP_SECONDS: how long all of it may take (0: every point; else one of each kind first, then a random sample; default:
40, and fewer scenarios). DROVER_SWEEP_SEED: which sample. `make check-crash` takes every point.
"""

import os

import pytest

import strace
import strike
import sweep

SECONDS = float(os.environ.get("DROVER_SWEEP_SECONDS") or 40)
SEED = int(os.environ.get("DROVER_SWEEP_SEED") or 1)
REFUSED = ("new", "change", "restart", "down", "remove")
OTHERS = ("new", "change", "down") if "DROVER_SWEEP_SECONDS" in os.environ else ("new",)
SHARE = SECONDS / (len(sweep.SCENARIOS) + len(REFUSED) + len(OTHERS) + 1)


def sweep_over(capsys, what, points, function, least=0.5):
    def tell(text):
        with capsys.disabled():
            print(text, flush=True)

    outcome = sweep.visit(points, SHARE, function, tell)
    survived = outcome.tried - len(outcome.failures)
    tell(f"\n{what}: {len(points)} points, {outcome.tried} tried (seed {SEED}), {outcome.hit} reached, {survived} survived")
    assert not outcome.failures, f"{len(outcome.failures)} of {outcome.tried} points were not survived: {outcome.failures[0]}"
    # The k-th call of a name is another one where threads or answers come in another order; a few may never come.
    enough = outcome.tried < 10 or outcome.hit >= outcome.tried * least
    assert enough, f"only {outcome.hit} of {outcome.tried} calls were reached"


@pytest.mark.parametrize("name", sweep.SCENARIOS)
def test_calls(world, capsys, name):
    """Killed before each call that does something, with up or only down next; and each call fails as it may fail."""
    swept = sweep.Sweep(world, sweep.SCENARIOS[name])
    points = [(call, (number + SEED) % 2 == 0) for number, call in enumerate(strace.acting(swept.calls))]
    sweep_over(capsys, f"killed {name}", sweep.kinds_first(points, SEED), swept.kill)
    if name in REFUSED:
        sweep_over(capsys, f"refused {name}", sweep.faults(swept.calls, SEED), swept.fail)


@pytest.mark.parametrize("name", OTHERS)
def test_other_processes(world, capsys, name):
    """The same for the helper in the namespace, what it and drover fork, the forwarder, and the supervisor's first calls."""
    swept = sweep.Sweep(world, sweep.SCENARIOS[name])
    sweep_over(capsys, f"others {name}", swept.others(SEED), swept.fail)


def test_supervisor(world, capsys):
    """The supervisor, while it starts and while it starts again what was killed."""
    swept = strike.Supervisor(world)
    points = [(call, "KILL") for call in strace.acting(swept.calls)] + sweep.faults(swept.calls, SEED)
    blind = [(call, "ENOSPC") for call in swept.calls if call.name == "inotify_add_watch"][:1]
    sweep_over(capsys, "supervisor", blind + sweep.kinds_first(points, SEED), swept.hit, least=0.3)
