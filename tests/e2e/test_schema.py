"""test_schema.py - the JSON Schema that editors use says what the parser says"""

import functools
import glob
import json
import os
import re
import subprocess

import jsonschema
import pytest
import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WRONG = ("unknown-key*", "boot-order-word", "cpus-word", "mac-five-bytes", "machine-misspelt")


# A value of each type: where it stands, texts that are right, texts that are not; as they are written in YAML
LAN = "networks: {n: {%s}}"
VM = "vms: {n: {networks: [], %s}}"
NIC = "networks: {lan: {subnet: 10.0.0.0/24, subnet6: 'fd00::/64'}}\nvms: {n: {networks: {lan: {%s}}}}"
DISK = "vms: {n: {networks: [], disk: {size: 1G, limits: {%s}}}}"
VALUES = {
    "name": (VM % "profiles: [%s]", ("a", "my-net", "1a", "123", '"5"'),
             ("A", "-a", "a-", "x-a", "a.b", "my_net", "-1", "1.5", "a" * 41)),
    "interface": (LAN % "bridge: %s", ("br0", "a.b", "Lan_1", '"1"', "7"),
             ("a/b", '"a b"', '"a:b"', "a%", "é", ".", "..", "a" * 16, '""')),
    "bool": (VM % "tpm: %s", ("true", "false", '"true"'), ("yes", "no", "on", "1", '"0"', "TRUE ", "tru")),
    "count": (VM % "cpus: %s", ("1", "16", '"2"'), ("0", "-1", "1.5", '"0x10"', "two", '"02"', "[1]", "~")),
    "memory": (VM % "memory: %s", ("512", '"512"', "512M", "1G", "1.5G", "2gib", "2GB", "2g"),
             ("1.5", "2X", '"2 GiB"', "2Gi", "2GIB", "G")),
    "size": (VM % "disk: %s", ("1G", "1.5G", "2gib", "10GB", "1T"), ("10", '"10"', "1.G", ".5G", "2Gi", "'1 G'")),
    "duration": (VM % "stop_grace_period: %s", ("0", '"0"', "30s", "1m30s", "1h", "500ms"),
             ("30", "1d", "1w", "1.5s", "30s1m", "-1", "1H", "s")),
    "enum": (VM % "rtc: %s", ("utc", "local", '"utc"'), ("UTC", "localtime", "1")),
    "mac": (NIC % "mac: %s", ("52:54:00:12:34:56", "'52:54:00:ab:CD:ef'"),
             ("52:54:00:12:34", "5254.0012.3456", "52:54:00:12:34:5g", "1")),
    "ipv4": (NIC % "ip: %s", ("10.0.0.9", "'10.0.0.9'"), ("10.0.0.256", "010.0.0.1", "10.0.0", "10.0.0.9/24", "a")),
    "ipv6": (NIC % "ip6: %s", ("'fd00::9'", "fd00::a"), ("10.0.0.9", "fd00::9/64", "g::1", "a")),
    "cidr4": (LAN % "subnet: %s", ("10.20.0.0/24", "auto", "10.0.0.0/8"),
             ("10.0.0.0", "10.0.0.0/33", "10.0.0.0/31", "10.0.0.300/24", "10/8")),
    "cidr6": (LAN % "subnet6: %s", ("'fd00::/64'", "fd00:1::/64"), ("fd00::/48", "fd00::1", "10.0.0.0/24")),
    "range4": (LAN % "subnet: 10.0.0.0/24, dhcp: {range: %s}", ("10.0.0.10-10.0.0.20", "10.0.0.10 - 10.0.0.20"),
               ("10.0.0.10", "10.0.0.10-20", "10.0.0.10-10.0.0.300")),
    "rate": (NIC % "rate: {in: %s}", ("10M", "1Gbit", "10mbit", "1.5G"), ("10MB", "10", "10 M", "100Mbps", "fast")),
    "percent": (NIC % "impair: {loss: %s}", ("1%", "0", "0.5%", "100%"), ("1", "1.5", "a%", "0.00001%", "-1%")),
    "domain": (LAN % "domain: %s", ("lab.test", "test", "a-b.c"), (".test", "test.", "a..b", "-a", "a_b", "a" * 64)),
    "hostname": (VM % "hostname: %s", ("web", "Web-1", "1"), ("web.test", "-a", "a_b", '""')),
    "path": (VM % "disk: {file: %s, read_only: true}", ("./a.raw", "a.raw", "7"), ('""', "[a]", "~")),
    "texts": (VM % "profiles: [], qemu_args: %s", ("[]", "[-name, x]", "~", '["1", 2]'), ("a", "{a: b}", "[[a]]")),
    "counts": (VM % "cpus: 2, cpu: {pin: %s}", ("[0, 1]", '["0", 1]', "~"), ("0", "[a, b]", "[-1, 0]", "[1.5, 0]")),
    "text map": (VM % "labels: %s", ("{a: b}", "{a: 1, b: true}", "~", "{}"), ("[a]", "a", "{a: [b]}")),
    "object": (VM % "boot: %s", ("~", "{}", "{order: [disk]}"), ("a", "[]", "{a: b}")),
    "flag": (LAN % "dhcp: %s", ("false", "true", '"false"', "~", "{}"), ("no", "1", "[]")),
    "model": (VM % "cpu: {model: %s}", ("host", "486", "Skylake-Client-v3"), ('""', "a b", "[a]")),
    "restart": (VM % "restart: %s", ("always", '"no"', "on-failure:3"), ("never", "1", "on-failure:x")),
}


class Texts(yaml.SafeLoader):
    """Reads YAML as editors do (1.2): 'yes', what looks like a sexagesimal number, and a date are text."""


Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("int", "bool", "timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Texts.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?[0-9]+$"), list("-0123456789"))
Texts.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))


@functools.cache
def validator():
    schema = json.loads(subprocess.run([os.environ["DROVER"], "schema"], check=True, capture_output=True, text=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def faults_of(text, directory):
    """What drover finds wrong, warnings apart."""
    (directory / "drover.yaml").write_text(text)
    done = subprocess.run([os.environ["DROVER"], "config", "-q", "--format", "json"], cwd=directory, capture_output=True,
                          check=False, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    return [fault["text"] for fault in json.loads(done.stdout)["diagnostics"] if fault["severity"] == "error"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=Texts)


def test_right_files_are_valid():
    """Every example and every file that passes is valid."""
    check = validator()
    paths = glob.glob(f"{TOP}/examples/*/drover.yaml") + glob.glob(f"{TOP}/tests/config/pass-*.yaml") + \
        glob.glob(f"{TOP}/tests/config/later-*.yaml")
    assert len(paths) > 10
    for path in paths:
        faults = [f"{path}: {list(fault.absolute_path)}: {fault.message}" for fault in check.iter_errors(read(path))]
        assert not faults, faults


def test_wrong_files_are_not():
    """Faults that a schema can express are found: a wrong key, a wrong word, a word for a number."""
    check = validator()
    paths = [path for name in WRONG for path in glob.glob(f"{TOP}/tests/config/fail-{name}.yaml")]
    assert len(paths) >= 4, paths
    for path in paths:
        assert not check.is_valid(read(path)), path


def rows(schema):
    """Each schema that stands for a key."""
    for row in schema.get("properties", {}).values():
        yield row
    for part in *schema.get("properties", {}).values(), *schema.get("anyOf", []), schema.get("items"), \
            schema.get("additionalProperties"):
        if isinstance(part, dict):
            yield from rows(part)


def test_examples_and_defaults_are_valid():
    """Editors offer them as they are."""
    keys = list(rows(validator().schema))
    assert len(keys) > 150 and all(row["description"] and len(row["examples"]) == 1 for row in keys)
    for row in keys:
        for value in row["examples"] + ([row["default"]] if "default" in row else []):
            assert jsonschema.Draft202012Validator(row).is_valid(value), (row["description"], value)


@pytest.mark.parametrize("name", VALUES)
def test_values(name, tmp_path):
    """Of each type of value the parser and the schema take the same texts, in quotes or not."""
    template, right, wrong = VALUES[name]
    check = validator()
    for file in "a.raw", "7":
        (tmp_path / file).write_bytes(bytes(1 << 20))
    for text in right + wrong:
        document = "name: lab\n" + template % text + "\n"
        faults = [fault.message for fault in check.iter_errors(yaml.load(document, Loader=Texts))]
        told = faults_of(document, tmp_path)
        assert bool(told) == (text in wrong), (text, told)
        assert bool(faults) == (text in wrong), (text, faults)
