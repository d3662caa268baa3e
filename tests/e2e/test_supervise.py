"""test_supervise.py - the supervisor: what it sees, what it records, what it starts again"""

import json
import os
import signal
import time

import host

FAKES = """
networks:
  lan: {{subnet: 10.30.0.0/24, mode: isolated}}
vms:
  one: {{<<: *fake, networks: [lan]{one}}}
  two: {{<<: *fake, networks: [lan]}}
"""


def lab_of(world, one=""):
    lab = world.lab(FAKES.format(one=", " + one if one else ""), fake=True)
    lab.drover("up")
    return lab


def events(lab, *arguments):
    """What the journal says, as (name or kind, event, by)."""
    lines = lab.drover("events", "--format", "json", *arguments).out.splitlines()
    return [(event.get("name", event["kind"]), event["event"], event["by"]) for event in map(json.loads, lines)]


def wait_for_event(lab, *event):
    host.wait_until(lambda: event in events(lab), f"{event} in the journal")


def context_switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)


def switches_within(pid, seconds):
    before = context_switches(pid)
    time.sleep(seconds)  # the interval is what is measured: that nothing happens has no event
    return context_switches(pid) - before


def assert_asleep(pid, seconds):
    """No wake-up in that time, once it is done with what was done to it."""
    host.wait_until(lambda: switches_within(pid, 0.2) == 0, "it comes to rest")
    assert switches_within(pid, seconds) == 0


def test_killed_qemu_starts_again(world):
    """always: a QEMU that was killed is recorded and started again; another VM without a policy stays as it is."""
    lab = lab_of(world, "restart: always")
    before = lab.pids()
    host.end_process(before["one"])
    host.wait_until(lambda: lab.pids()["one"] not in (None, before["one"]), "one runs again")
    host.end_process(before["two"])
    wait_for_event(lab, "two", "crashed", "qemu")
    found = [event for event in events(lab, "one") if event[2] != "up"]
    assert found == [("one", "crashed", "qemu"), ("one", "start", "supervisor")], found
    assert lab.states() == {"one": "running", "two": "crashed"}
    lab.drover("up")
    lab.assert_satisfied()


def test_stopped_by_the_user_stays_so(world):
    """What stop, kill and restart do is no end that is followed by a restart."""
    lab = lab_of(world, "restart: always")
    lab.drover("stop", "one", "-t", "0")
    lab.drover("kill", "two")
    lab.drover("start", "two")
    lab.drover("restart", "two", "-t", "0")
    assert lab.states() == {"one": "stopped", "two": "running"}
    assert not [event for event in events(lab) if event[2] in ("supervisor", "guest") or event[1] == "crashed"]


def test_guest_that_powers_off(world):
    """on-failure: a guest that powers itself off has not failed."""
    lab = lab_of(world, "restart: on-failure, qemu_args: [-fake, poweroff=300]")
    wait_for_event(lab, "one", "stopped", "guest")
    assert lab.states()["one"] == "stopped"
    assert ("one", "start", "supervisor") not in events(lab)


def test_guest_that_powers_off_always(world):
    """unless-stopped: it is started again each time, and the wait grows; stop ends that also while it waits."""
    lab = lab_of(world, "restart: unless-stopped, qemu_args: [-fake, poweroff=50]")
    host.wait_until(lambda: events(lab).count(("one", "start", "supervisor")) >= 3, "it was started three times")
    lab.drover("stop", "one", "-t", "0")
    lab.drover("stop", "two", "-t", "0")
    host.wait_until(lambda: not lab.supervisors(), "nothing waits for its time")
    assert lab.states() == {"one": "stopped", "two": "stopped"}


def test_tries_are_counted(world):
    """on-failure:2: after two tries it stays crashed."""
    lab = lab_of(world, "restart: 'on-failure:2'")
    for count in (1, 2):
        pid = lab.pids()["one"]
        host.end_process(pid)
        host.wait_until(lambda: lab.pids()["one"] not in (None, pid), f"started again, {count}")
        host.wait_until(lambda: lab.states()["one"] == "running", "it runs")
    host.end_process(lab.pids()["one"])
    host.wait_until(lambda: events(lab).count(("one", "crashed", "qemu")) == 3, "the third crash is recorded")
    assert lab.states()["one"] == "crashed"


def test_panic(world):
    """A guest that panics is kept for looking at, or, by its policy, started again."""
    lab = world.lab(FAKES.format(one=", qemu_args: [-fake, panic]").replace(
        "two: {<<: *fake,", "two: {<<: *fake, restart: on-failure, qemu_args: [-fake, panic],"), fake=True)
    lab.drover("up")
    pids = lab.pids()
    lab.drover("kill", "-s", "nmi", "one")
    lab.drover("kill", "-s", "nmi", "two")
    wait_for_event(lab, "one", "panicked", "guest")
    host.wait_until(lambda: lab.states() == {"one": "panicked", "two": "running"}, "one stands, two runs again")
    assert lab.pids()["one"] == pids["one"] and lab.pids()["two"] != pids["two"]


def test_real_panic(world):
    """The kernel of a real guest gives up: pvpanic says so, and ps."""
    lab = world.lab(f"vms: {{one: {{<<: *guest, {world.boot('panic=0 drover.panic')}}}}}\n")
    lab.drover("up")
    host.wait_until(lambda: lab.states()["one"] == "panicked", "the guest panics", timeout=60)
    wait_for_event(lab, "one", "panicked", "guest")


def test_dnsmasq_killed(world):
    """dnsmasq comes back by itself, and no VM is touched."""
    lab = lab_of(world)
    pids, (first,) = lab.pids(), lab.dnsmasq()
    host.end_process(first)
    wait_for_event(lab, "service", "create", "supervisor")
    (second,) = lab.dnsmasq()
    assert second != first and lab.pids() == pids and ("service", "died", "dnsmasq") in events(lab)
    lab.assert_satisfied()
    host.end_process(second)
    host.wait_until(lambda: events(lab).count(("service", "create", "supervisor")) == 2, "it is watched again")


def test_file_is_not_needed(world):
    """A restart takes what was applied, whatever the file says meanwhile, and whether or not it is there."""
    lab = lab_of(world, "restart: always")
    os.rename(lab.file, lab.file + ".away")
    with open(lab.vm_data("one", "own", "qemu.pid"), encoding="ascii") as file:
        pid = int(file.read())
    host.end_process(pid)
    wait_for = ["-p", lab.name, "events", "--format", "json"]
    host.wait_until(lambda: '"by":"supervisor"' in lab.drover(*wait_for).out, "it was started again")
    os.rename(lab.file + ".away", lab.file)
    lab.assert_satisfied()


def test_supervisor_stopped_and_killed(world):
    """Under a supervisor that hangs verbs go on; killed, the next verb that changes something brings another."""
    lab = lab_of(world, "restart: always")
    (first,) = lab.supervisors()
    os.kill(first, signal.SIGSTOP)
    lab.drover("restart", "two", "-t", "0")
    host.end_process(first)
    pid = lab.pids()["one"]
    lab.drover("restart", "two", "-t", "0")
    (second,) = lab.supervisors()
    assert second != first
    host.end_process(pid)
    host.wait_until(lambda: lab.pids()["one"] not in (None, pid), "the new one watches")


def test_what_ended_unseen(world):
    """What ended while there was no supervisor is started again by the next one, by its policy."""
    lab = lab_of(world, "restart: always")
    before = lab.pids()
    for pid in (*lab.supervisors(), *before.values(), *lab.dnsmasq()):
        host.end_process(pid)
    lab.drover("start", "two")
    host.wait_until(lambda: lab.pids()["one"] not in (None, before["one"]), "one runs again")
    host.wait_until(lambda: len(lab.dnsmasq()) == 1, "dnsmasq runs again")
    wait_for_event(lab, "one", "start", "supervisor")
    lab.assert_satisfied()


def test_services_of_nobody(world):
    """Where all VMs have ended, dnsmasq is not started again: a down that was killed may have ended it too."""
    lab = lab_of(world)
    (supervisor,) = lab.supervisors()
    assert_asleep(supervisor, 0.1)  # it watches dnsmasq
    os.kill(supervisor, signal.SIGSTOP)
    for pid in (*lab.dnsmasq(), *lab.pids().values()):
        host.end_process(pid)
    os.kill(supervisor, signal.SIGCONT)
    host.wait_until(lambda: not host.processes(lab.name), "the supervisor ends, and whom it has started")
    assert ("one", "crashed", "qemu") in events(lab) and ("service", "create", "supervisor") not in events(lab), events(lab)


def test_no_wakeups(world):
    """Nothing happens, and the supervisor sleeps."""
    lab = lab_of(world, "restart: always")
    (pid,) = lab.supervisors()
    assert_asleep(pid, 10)


def test_events_follow(world):
    """-f prints what comes, names leave out the rest, --since what was before."""
    lab = lab_of(world)
    follow = lab.begin("events", "-f", "two")
    assert "vm two: create (by up)" in follow.stdout.readline()
    lab.drover("pause", "one")
    lab.drover("pause", "two")
    seen = [follow.stdout.readline() for _ in range(2)]
    assert sorted(line.split("  ")[1].strip() for line in seen) == ["vm two: halted (by qemu)", "vm two: pause (by pause)"]
    follow.stdout.close()
    assert follow.wait(20) == 0, "it ends when nobody reads any more"
    assert events(lab, "--since", "2000-01-01") == events(lab) != []
    assert events(lab, "--since", "1ms") == []
    lab.drover("events", "--since", "yesterdayish", status=4)
    lab.drover("unpause")
    for ending, status in ((lambda: follow.send_signal(signal.SIGINT), -signal.SIGINT),
                           (lambda: lab.drover("down", "-v", "-y", "-t", "0"), 0)):
        follow = lab.begin("events", "-f", "one")
        assert "vm one: create (by up)" in follow.stdout.readline()
        ending()
        out, err = follow.communicate(timeout=20)
        assert (follow.returncode, err) == (status, ""), err
    assert "vm one: remove (by down)" in out, "what happened to it last"


def test_links(world):
    """What happens to a bridge or a tap from outside is recorded with its network or VM, in order; what drover makes is not."""
    lab = lab_of(world)
    bridge = lab.bridge("lan")["ifname"]
    tap = next(link["ifname"] for link in lab.links().values() if link.get("ifalias") == f"drover:{lab.name}/one/lan")

    def ip(*words):
        host.command("ip", "-n", f"drover-{lab.name}", "link", *words)

    ip("set", tap, "nomaster")
    ip("set", tap, "down")
    ip("set", bridge, "down")
    ip("set", bridge, "mtu", "1400")
    wait_for_event(lab, "lan", "link-mtu", "kernel")
    wait_for_event(lab, "one", "link-down", "kernel")
    lab.drover("up")
    wait_for_event(lab, "lan", "link-up", "kernel")
    wait_for_event(lab, "one", "link-up", "kernel")
    ip("delete", bridge)
    wait_for_event(lab, "lan", "link-removed", "kernel")
    found = [event[:2] for event in events(lab) if event[2] == "kernel"]
    wanted = [("lan", "link-down"), ("lan", "link-mtu"), ("one", "link-detached"), ("one", "link-down")]
    assert sorted(found[:4]) == wanted, found
    wait_for_event(lab, "two", "link-detached", "kernel")
    assert ("two", "link-up") not in found, found
    logged = lab.drover("logs", "--events", "-n", "1", "two").out
    assert logged.count("\n") == 1 and "vm two: link-detached (by kernel), nic lan" in logged, logged


def test_one_stream(world):
    """Drover's actions, QEMU's events, links and leases are one stream in the order in which they happened; -f has all of it
    as it comes, and --since what was from a moment on."""
    lab = world.lab("networks: {lan: {subnet: 10.30.0.0/24, mode: isolated}}\n"
                    "vms: {web: {<<: *guest, networks: {lan: {ip: 10.30.0.10}}}}\n")
    lab.drover("up")
    follow = lab.begin("events", "-f", "--format", "json")
    lab.console("web").ready()
    wait_for_event(lab, "web", "lease", "dnsmasq")
    lab.drover("pause", "web")
    wait_for_event(lab, "web", "halted", "qemu")
    tap = next(link["ifname"] for link in lab.links().values() if link.get("ifalias") == f"drover:{lab.name}/web/lan")
    host.command("ip", "-n", f"drover-{lab.name}", "link", "set", tap, "nomaster")
    wait_for_event(lab, "web", "link-detached", "kernel")
    lab.drover("up")
    wait_for_event(lab, "web", "resumed", "qemu")
    journal = [json.loads(line) for line in lab.drover("events", "--format", "json").out.splitlines()]
    first = next(event["time"] for event in journal if event["event"] == "halted")
    since = [json.loads(line) for line in lab.drover("events", "--format", "json", "--since", first).out.splitlines()]
    wanted = [event for event in journal if event["time"] >= first]
    assert len(wanted) < len(journal) and since[:len(wanted)] == wanted
    lab.drover("down", "-v", "-y", "-t", "0")
    stream = [json.loads(line) for line in follow.communicate(timeout=20)[0].splitlines()]
    assert follow.returncode == 0
    seen = [(event["event"], event["by"]) for event in stream if event.get("name") in ("web", "lan")]
    wanted = [("lease", "dnsmasq"), ("halted", "qemu"), ("link-detached", "kernel"), ("resumed", "qemu")]
    assert [event for event in seen if event in wanted] == wanted and ("pause", "pause") in seen, seen
    assert seen.index(("repair", "up")) > seen.index(("link-detached", "kernel")), seen
    assert seen[0] == ("create", "up") and ("remove", "down") in seen, seen
    assert [event["time"] for event in stream] == sorted(event["time"] for event in stream)
    assert [event["address"] for event in stream if event["event"] == "lease"][0] == "10.30.0.10", stream


LAB = """
networks:
  lan: {{subnet: 10.30.0.0/24, mode: isolated}}
vms:
  web: {{<<: *guest, networks: {{lan: {{ip: 10.30.0.10}}}}, healthcheck: {{{check}, interval: 300ms}}}}
"""


def health(lab, vm="web"):
    return lab.vms()[vm]["health"]


def test_health_tcp(world):
    """starting, healthy when the port is open, unhealthy when it is closed again; up --wait waits; an edit counts at once."""
    lab = world.lab(LAB.format(check="tcp: 80, retries: 2, start_period: 60s"))
    lab.drover("up")
    assert health(lab) == "starting" and "running (starting)" in lab.drover("ps").out
    lab.drover("up", "--wait", "--wait-timeout", "60")
    assert health(lab) == "healthy"
    lab.shell("web", "killall httpd")
    host.wait_until(lambda: health(lab) == "unhealthy", "unhealthy")
    asked = lab.drover("inspect", "web", "--format", "json").json()["observed"]["health"]
    assert asked["state"] == "unhealthy" and "Connection refused" in asked["reason"], asked
    lab.drover("wait", "web", "--timeout", "20", status=1)
    lab.drover("wait", "web", "--for", "running", "--timeout", "20")
    pids = lab.pids()
    lab.replace("tcp: 80", "ping: true")
    lab.drover("up")
    lab.drover("wait", "web", "--timeout", "20", status=None)
    host.wait_until(lambda: health(lab) == "healthy", "healthy by ping")
    assert lab.pids() == pids
    assert [event[1] for event in events(lab, "web") if event[2] == "supervisor"] == ["healthy", "unhealthy", "healthy"]


def test_health_console(world):
    """What the console shows, since the start of this run only; then nobody looks any more."""
    lab = world.lab(LAB.format(check="console: 'READY .* address=10', retries: 1000"))
    lab.drover("up", "--wait", "--wait-timeout", "60")
    assert health(lab) == "healthy"
    (pid,) = lab.supervisors()
    assert_asleep(pid, 2)
    lab.drover("restart", "-t", "0")
    assert health(lab) == "starting"
    lab.drover("wait", "--timeout", "60")


def test_health_agent(world):
    """No agent answers: unhealthy, with the reason; a test through it likewise."""
    lab = world.lab(FAKES.format(one=", healthcheck: {agent: true, interval: 100ms, timeout: 100ms, retries: 2}"), fake=True)
    lab.drover("up")
    host.wait_until(lambda: health(lab, "one") == "unhealthy", "unhealthy")
    assert lab.vms()["one"]["health_reason"] and health(lab, "two") is None


def test_health_through_an_agent(world):
    """A real agent answers; a command in the guest is run, and its status counts; an edit counts at once."""
    guest = world.programs.guest
    lab = world.lab("vms:\n  one: {<<: *guest, networks: [], healthcheck: {agent: true, interval: 300ms, retries: 1000},"
                    f" boot: {{kernel: {guest}/vmlinuz, initrd: {guest}/initrd-agent.gz,"
                    " cmdline: console=ttyS0 no_timer_check}}\n")
    lab.drover("up", "--wait", "--wait-timeout", "100")
    lab.replace("agent: true,", "test: [sh, -c, 'echo no good >&2; test -e /good'],")
    lab.replace("retries: 1000", "retries: 1")
    lab.drover("up")
    host.wait_until(lambda: health(lab, "one") == "unhealthy", "unhealthy")
    assert "no good" in lab.vms()["one"]["health_reason"], lab.vms()
    lab.drover("exec", "-T", "one", "--", "touch", "/good")
    lab.drover("wait", "--timeout", "30", status=None)
    host.wait_until(lambda: health(lab, "one") == "healthy", "healthy")
    assert [event[1] for event in events(lab, "one") if event[2] == "supervisor"] == ["healthy", "unhealthy", "healthy"]


def test_supervisor_gone(world):
    """ps says that nobody looks, wait does not wait for ever, and the next up brings it back."""
    lab = world.lab(FAKES.format(one=", healthcheck: {agent: true, retries: 1000}"), fake=True)
    lab.drover("up")
    assert lab.drover("ps").err == ""
    (pid,) = lab.supervisors()
    host.end_process(pid)
    assert "the supervisor is gone" in lab.drover("ps").err
    assert "nobody looks" in lab.drover("wait", "one", status=1).err
    late = lab.drover("up", "--wait", "--wait-timeout", "300ms", status=7).err
    assert "after 0.3 s, still not healthy: 'one'\n" in late, late
    assert lab.drover("ps").err == "" and health(lab, "one") == "starting"


def test_depends_on_healthy(world):
    """A VM is started when the one that it depends on is healthy; --no-deps does not wait."""
    lab = world.lab(LAB.format(check="tcp: 80") +
                    "  client: {<<: *fake, memory: 64M, networks: [lan], depends_on: {web: {condition: healthy}}}\n")
    lab.drover("up", "client")
    assert health(lab) == "healthy"
    order = [event[:2] for event in events(lab) if event[1] in ("healthy", "create") and event[0] in ("web", "client")]
    assert order == [("web", "create"), ("web", "healthy"), ("client", "create")], order


DEPENDENT = """
vms:
  job: {{<<: *fake, networks: [], qemu_args: [-fake, poweroff=300]{job}}}
  app: {{<<: *fake, networks: [], depends_on: {{job: {{condition: completed{more}}}}}}}
"""


def test_depends_on_completed(world):
    """done is: it powered itself off. A crash is not, unless the file does not require it."""
    lab = world.lab(DEPENDENT.format(job="", more=""), fake=True)
    lab.drover("up")
    assert lab.states() == {"job": "stopped", "app": "running"}
    lab.drover("down", "-t", "0")
    lab.write(DEPENDENT.format(job="", more="").replace("poweroff=300", "poweroff=60000"))
    up = lab.begin("up")
    host.wait_until(lambda: lab.states().get("job") == "running", "the job runs")
    host.end_process(lab.pids()["job"])
    assert "it waits for vm 'job' to be done, which has crashed" in up.communicate(timeout=60)[1] and up.returncode == 1
    lab.write(DEPENDENT.format(job="", more=", required: false").replace("poweroff=300", "die"))
    lab.drover("up", status=1)
    assert lab.states()["app"] == "running"


def test_depends_on_unhealthy(world):
    """What it waits for is unhealthy: the start fails with the reason, and other VMs are not held up."""
    lab = world.lab("vms:\n"
                    "  db: {<<: *fake, networks: [], healthcheck: {agent: true, interval: 100ms, timeout: 100ms, retries: 2}}\n"
                    "  app: {<<: *fake, networks: [], depends_on: {db: {condition: healthy}}}\n"
                    "  free: {<<: *fake, networks: []}\n", fake=True)
    done = lab.drover("up", status=1)
    assert "it waits for vm 'db', which is unhealthy" in done.err, done
    assert lab.states()["db"] == lab.states()["free"] == "running" and lab.states().get("app") != "running"


def test_restarts_along(world):
    """restart: true: the dependent restarts after the other one; without it stays as it is."""
    lab = world.lab("vms:\n"
                    "  db: {<<: *fake, networks: []}\n"
                    "  app: {<<: *fake, networks: [], depends_on: {db: {restart: true}}}\n"
                    "  other: {<<: *fake, networks: [], depends_on: [db]}\n", fake=True)
    lab.drover("up")
    before = lab.pids()
    lab.drover("restart", "db", "-t", "0")
    after = lab.pids()
    assert {name for name in before if before[name] != after[name]} == {"db", "app"}
    restarts = [event[0] for event in events(lab) if event[1] == "restart"]
    assert restarts == ["db", "app"]
    lab.drover("stop")  # in reverse order: what others depend on goes last
    stops = [event[0] for event in events(lab) if event[1:] == ("stop", "stop")]
    assert sorted(stops[:2]) == ["app", "other"] and stops[2:] == ["db"], stops
