"""test_verbs.py - what verbs print and how they end"""

import json
import os
import re
import signal
import subprocess

import host

FAKES = """
networks:
  lan: {subnet: 10.90.0.0/24, mode: isolated}
vms:
  web: {<<: *fake, networks: {lan: {ip: 10.90.0.10}}}
  db: {<<: *fake, networks: [lan], labels: {role: db}}
"""


def test_errors_of_the_file(world):
    """A mistake in the file: status 3, with position, the line, a caret and a suggestion; all at once; nothing is made."""
    lab = world.lab("vms:\n  web:\n    memroy: 1G\n    networks: [lam]\n", fake=True)
    line = open(lab.file, encoding="utf-8").read().split("\n").index("    memroy: 1G") + 1
    for verb in ("up", "plan", "config", "start"):
        result = lab.drover(verb, status=3)
        assert re.search(rf"drover.yaml:{line}:5: error: unknown key 'memroy' in vm 'web'\n", result.err), result
        assert "memroy: 1G\n" in result.err and "^~~~~~ did you mean 'memory'?" in result.err, result
        assert "'lam'" in result.err, "only the first mistake is told"
    assert lab.drover("config", "-q", status=3).out == ""
    assert not os.path.exists(lab.data) and not os.path.exists(lab.run_directory)


def test_keys_that_come_later(world):
    """A key that is not built yet is refused where something would be done, with its place, and never ignored."""
    lab = world.lab(FAKES.replace("web: {<<: *fake,", "web: {<<: *fake, autostart: true,"), fake=True)
    for verb in ("plan", "up"):
        assert re.search(r"drover.yaml:\d+:\d+: error: .*autostart.*not supported yet", lab.drover(verb, status=3).err)
    refused = lab.drover("config", "--qemu", "web", status=3)
    assert "not supported yet" in refused.err and refused.out == ""
    lab.drover("config", "-q")
    assert not os.path.exists(lab.data)


def test_variables(world):
    """Values from --env-file, .env and the environment; `config --variables` lists them also where they are not set."""
    lab = world.lab(FAKES.replace("web: {<<: *fake,", 'web: {<<: *fake, labels: {a: "$ONE $TWO", b: "${B:-$ONE}"},'), fake=True)
    error = lab.drover("plan", status=3).err
    assert re.search(r"drover.yaml:\d+:\d+: error: variable 'ONE' is not set\n", error) and "'TWO' is not set" in error
    listed = lab.drover("config", "--variables").out
    assert [line.split() for line in listed.splitlines()[1:]] == [["B", "false", "$ONE", "-"], ["ONE", "true", "-", "-"],
                                                                  ["TWO", "true", "-", "-"]]
    assert json.loads(lab.drover("config", "--variables", "--format", "json").out)["variables"][0] == \
        {"name": "B", "required": False, "default": "$ONE"}
    for name, text in ((".env", "ONE=1\nTWO=1\n"), ("two.env", "TWO=2\nB=2\n"), ("three.env", "TWO=3\n")):
        with open(os.path.join(lab.directory, name), "w", encoding="ascii") as file:
            file.write(text)
    lab.environment["B"] = "outside"
    files = [argument for name in ("two", "three") for argument in ("--env-file", os.path.join(lab.directory, f"{name}.env"))]
    labels = json.loads(lab.drover(*files, "config", "--format", "json").out)["vms"]["web"]["labels"]
    assert labels == {"a": "1 3", "b": "outside"}
    assert "cannot open 'none.env'" in lab.drover("--env-file", "none.env", "plan", status=6).err


def test_usage(world):
    """Usage errors end with 4, what is not found with 6, both with a suggestion; a closed standard output is an error."""
    lab = world.lab(FAKES, fake=True)
    for arguments, text in ((["uo"], "did you mean 'up'?"), (["halt"], "'drover stop'"), (["up", "--restat"], "'--restart'"),
                            (["up", "--attach", "-d"], "--detach"), (["logs", "-t"], "not built yet"),
                            (["ps", "--format", "xml"], "table, json"),
                            (["console"], "usage: drover console"), ([], "no verb"),
                            (["--parallel", "x", "up"], "whole number")):
        result = lab.drover(*arguments, status=4)
        assert text in result.err and result.out == "", result
    for verb in ("up", "stop", "ps", "logs", "console", "ip", "inspect", "wait", "kill", "rm", "restart"):
        result = lab.drover(verb, "wbe", status=6)
        assert "'wbe'" in result.err and (verb == "inspect" or "did you mean 'web'?" in result.err), result
    empty = world.make_directory("nothing-here")
    assert "there is no 'drover.yaml' in" in lab.drover("up", status=6, cwd=empty).err
    assert lab.leftovers() == [], "a verb that was refused has made something"
    assert lab.drover("help").out and "up" in lab.drover("help", "up").out and lab.drover("version").out.startswith("drover ")
    for verb in ("config", "plan", "help"):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run(lab.argv(verb), env=lab.environment, stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=30, check=False)
        assert done.returncode == 1 and "standard output" in done.stderr, (verb, done)
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *lab.argv("up")], env=lab.environment, text=True,
                            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert closed.returncode == 0 and set(lab.states().values()) == {"running"}, closed


def test_wait_for_what_was_never_made(world):
    """wait fails at once, with what to type, for a VM that nobody has made; one that stops is waited for."""
    lab = world.lab(FAKES, fake=True)
    for arguments in ([], ["web"], ["db", "web"], ["--for", "running"]):
        refused = lab.drover("wait", *arguments, status=6).err
        assert re.match(r"error: vm '(web|db)' has not been made\n  'drover up \1' makes and starts it\n$", refused), refused
    lab.drover("wait", "--for", "stopped")
    lab.drover("up", "web")
    lab.drover("wait", "web")
    assert "vm 'db' has not been made" in lab.drover("wait", status=6).err
    lab.drover("up")
    lab.drover("wait")
    lab.drover("rm", "-f", "-s", "db")
    assert "vm 'db' has not been made" in lab.drover("wait", "db", status=6).err


def test_next_steps_name_what_was_started(world):
    """The address that up prints in the end is one of a VM that it has started."""
    lab = world.lab(FAKES.replace("[lan]", "{lan: {ip: 10.90.0.20}}"), fake=True)
    lab.drover("up", "--no-start")
    told = lab.drover("up", "db").err
    assert "  drover console db\n  db is 10.90.0.20 (inside" in told and "web is" not in told, told
    assert "  web is 10.90.0.10 (inside" in lab.drover("up").err


def test_start_stop_pause(world):
    """Each verb does its thing to those that were named, and a second time nothing; a stopped VM stays so until asked for."""
    lab = world.lab(FAKES, fake=True)
    assert lab.drover("start", status=1).err.count("run 'drover up") == 1
    lab.drover("up")
    pids = lab.pids()
    lab.drover("stop", "web")
    assert lab.states() == {"web": "stopped", "db": "running"} and "web" not in lab.drover("ps").out
    assert "nothing to do" in lab.drover("stop", "web").err
    lab.drover("up", "db")
    assert lab.states() == {"web": "stopped", "db": "running"} and lab.pids()["db"] == pids["db"]
    assert lab.drover("ps", "-a", "-q", "--status", "stopped").out == "web\n"
    lab.drover("up")
    assert lab.states() == {"web": "running", "db": "running"} and lab.pids()["db"] == pids["db"]
    pids = lab.pids()
    lab.drover("restart", "web")
    assert lab.pids()["db"] == pids["db"] and lab.pids()["web"] not in (pids["web"], None)

    lab.drover("pause", "web")
    assert lab.states() == {"web": "paused", "db": "running"}
    lab.drover("up", "db")
    assert lab.states()["web"] == "paused"
    lab.drover("unpause", "web")
    assert lab.states()["web"] == "running" and "nothing to do" in lab.drover("unpause", "web").err
    lab.drover("pause")
    lab.drover("up")
    assert set(lab.states().values()) == {"running"}, "up has left the paused ones"

    lab.drover("kill", "db")
    assert lab.states() == {"web": "running", "db": "stopped"}
    assert "is running" in lab.drover("rm", "-f", "web", status=1).err
    lab.drover("rm", "-f")
    assert lab.states() == {"web": "running"}
    lab.drover("rm", "-f", "-s", "-v", "web")
    assert lab.states() == {} and not os.path.exists(lab.vm_data("web"))
    lab.drover("up", "--no-start")
    assert set(lab.states().values()) == {"stopped"}
    lab.drover("up", "--paused")
    assert set(lab.states().values()) == {"starting"}
    lab.drover("up", "--wait", "--wait-timeout", "10s")
    assert set(lab.states().values()) == {"running"}
    lab.drover("stop", "web")
    assert "still not healthy: 'web'" in lab.drover("wait", "--timeout", "300ms", status=7).err
    lab.drover("wait", "db")


def test_dependencies(world):
    """up of one VM brings what it depends on; stop goes the other way round; a failure skips only what depends on it."""
    lab = world.lab("vms:\n  a: {<<: *fake}\n  b: {<<: *fake, depends_on: [a]}\n  c: {<<: *fake}\n", fake=True)
    lab.drover("up", "b")
    assert lab.states() == {"a": "running", "b": "running"}
    stopped = lab.drover("stop").err
    assert stopped.index("vm b stopped") < stopped.index("vm a stopped"), stopped
    lab.drover("down", "-v", "-y")
    lab.drover("up", "--no-deps", "b")
    assert lab.states() == {"b": "running"}
    lab.drover("down", "-v", "-y")
    lab.replace("a: {<<: *fake}", "a: {<<: *fake, qemu_args: [-fake, die]}")
    failed = lab.drover("up", status=1)
    assert "vm a not created" in failed.err and "vm b skipped" in failed.err and "vm c created" in failed.err, failed
    assert lab.states()["c"] == "running"


def test_listings(world):
    """ps, ip, inspect, ls and plan: as a table and as one JSON document with a schema."""
    lab = world.lab(FAKES, fake=True)
    titles = ["NAME", "STATE", "ADDRESS", "ISOLATION", "UPTIME", "PORTS", "PENDING"]
    assert lab.drover("ps").out.split("\n")[0].split() == titles
    lab.drover("up")
    for verb, name in (("ps", "vms"), ("ip", "vms"), ("ls", "projects")):
        document = lab.drover(verb, "--format", "json").json()
        assert document["schema"] == 1 and isinstance(document[name], list), verb
    assert lab.drover("ps", "-q").out == "web\ndb\n" and lab.drover("ps", "--vms").out == "web\ndb\n"
    web = lab.vms()["web"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", web["started"]) and 0 <= web["uptime_seconds"] < 60
    assert lab.drover("ip", "web").out.split("\n")[1].split()[:3] == ["web", "lan", "10.90.0.10"]
    assert lab.drover("ls", "-q").out == f"{lab.name}\n"
    assert lab.drover("ls").out.split("\n")[1].split() == [lab.name, "running(2)", "2", lab.directory]
    inspected = lab.drover("inspect", "web", "--format", "json").json()
    assert inspected["observed"]["pid"] == web["pid"] and inspected["observed"]["uuid"] == web["uuid"]
    assert inspected["wished"]["memory"] == "64M" == inspected["applied"]["memory"]
    network = lab.drover("inspect", "lan", "--format", "json").json()["observed"]
    assert len(network["ports"]) == 2 and network["addresses"] == ["10.90.0.1/24"]
    assert network["dnsmasq_pid"] == lab.dnsmasq()[0]
    lab.drover("stop")
    assert lab.drover("ls", "-q").out == "" and lab.drover("ls", "-a", "-q").out == f"{lab.name}\n"
    again = world.path("again.yaml")
    with open(again, "w", encoding="utf-8") as file:
        file.write(lab.drover("config").out)
    assert lab.drover("-f", again, "config", "--format", "json").json() == lab.drover("config", "--format", "json").json()
    events = [json.loads(line) for line in lab.drover("--progress", "json", "up").err.splitlines()]
    assert any(event.get("name") == "web" for event in events), events


def test_console_and_logs(world):
    """console works through pipes; logs prints with prefixes and tails; kill -s reset reboots; the log survives a restart."""
    lab = world.lab("vms:\n  web: {<<: *guest}\n  other: {<<: *fake}\n")
    lab.drover("up", "web")
    lab.console("web").ready()
    lab.console("web").wait("guest# ")
    piped = lab.drover("console", "web", stdin="echo piped $((40 + 2))\n", timeout=30)
    assert "piped 42" in piped.out, piped
    lab.console("web").wait("^piped 42")
    lines = lab.drover("logs", "-n", "2", "web").out.splitlines()
    assert 1 <= len(lines) <= 2 and all(line.startswith("web | ") for line in lines), lines
    assert re.search(r"^web +\| READY ", lab.drover("logs").out, re.MULTILINE)
    assert not lab.drover("logs", "--no-log-prefix", "-n", "1", "web").out.startswith("web")
    assert "not running" in lab.drover("console", "other", status=1).err

    follower = lab.begin("logs", "-f", "web")
    pid = lab.pids()["web"]
    lab.drover("kill", "-s", "reset", "web")
    assert lab.console("web").ready() and lab.pids()["web"] == pid
    follower.send_signal(signal.SIGTERM)
    assert follower.communicate(timeout=10)[0].count("READY hostname=") == 2
    follower = lab.begin("logs", "-f", "web")
    assert follower.stdout.readline()
    follower.stdout.close()
    assert follower.wait(10) == 0, "nobody reads any more"
    first = lab.begin("console", "web", stdin=subprocess.PIPE)
    with open(lab.vm_data("web", "console.lock"), encoding="ascii") as lock:
        host.wait_until(lambda: lock.seek(0) == 0 and lock.read() == f"{first.pid}\n", "the first console is attached")
    assert f"(pid {first.pid})" in lab.drover("console", "web", stdin="", status=8).err
    first.terminate()
    first.wait(10)
    lab.drover("kill", "-s", "poweroff", "web")
    lab.drover("wait", "--for", "stopped", "--timeout", "10", "web")
    assert "power button pressed" in lab.drover("logs", "-n", "5", "web").out

    follower = lab.begin("logs", "-f", "-n", "1")
    assert follower.stdout.readline().startswith("web")
    lab.drover("down", "-v", "-y", "-t", "0")
    assert follower.communicate(timeout=10) == ("", "") and follower.returncode == 0, "nothing more can come"


def test_attach(world):
    """up --attach prints consoles from the start on; Ctrl-C stops what it is about and nothing else; it ends with its VMs."""
    lab = world.lab("vms:\n  web: {<<: *guest}\n  other: {<<: *fake}\n")
    lab.drover("up", "other")
    attached = lab.begin("up", "--attach", "web")
    for line in attached.stdout:
        assert line.startswith("web | "), line
        if "READY hostname=web" in line:
            break
    lab.drover("pause", "other")
    attached.send_signal(signal.SIGINT)
    assert "vm web stopped" in attached.communicate(timeout=60)[1] and attached.returncode == 130
    assert lab.states() == {"web": "stopped", "other": "paused"}

    attached = lab.begin("up", "--attach")
    for line in attached.stderr:
        if line == "ctrl-c stops the VMs\n":
            break
    lab.drover("kill", "web")
    lab.drover("kill", "other")
    out, err = attached.communicate(timeout=30)
    assert attached.returncode == 0 and err.endswith("all VMs have ended\n") and "READY" not in out, (out, err)


def test_attach_to_what_ends(world):
    """up --attach ends as well where a VM has ended before anybody looked."""
    lab = world.lab("vms:\n  one: {<<: *fake, networks: [], qemu_args: [-fake, poweroff=0]}\n", fake=True)
    assert lab.drover("up", "--attach", timeout=30).err.endswith("all VMs have ended\n")


def test_interrupted(world):
    """Ctrl-C in the middle of up: the step in hand is finished, 130, what stands is told; the next up goes on."""
    lab = world.lab("vms:\n" + "".join(f"  v{i}: {{<<: *fake, qemu_args: [-fake, slow=150]}}\n" for i in range(6)), fake=True)
    up = lab.begin("--parallel", "1", "up")
    host.wait_until(lambda: any("guest=" in arguments for arguments in host.processes(lab.name).values()), "a VM is started")
    up.send_signal(signal.SIGINT)
    err = up.communicate(timeout=60)[1]
    assert up.returncode == 130 and "interrupted: " in err and "steps done" in err, (up.returncode, err)
    assert 1 <= list(lab.states().values()).count("running") < 6 and "starting" not in lab.states().values()
    lab.drover("up")
    assert list(lab.states().values()) == ["running"] * 6
    lab.assert_satisfied()
