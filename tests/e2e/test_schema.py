"""test_schema.py - the JSON Schema that editors use says what the parser says"""

import glob
import json
import os
import re
import subprocess

import jsonschema
import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WRONG = ("unknown-key*", "boot-order-word", "cpus-word", "mac-five-bytes", "machine-misspelt")


class Texts(yaml.SafeLoader):
    """Reads YAML as drover does: what looks like a sexagesimal number or a date is text."""


Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Texts.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[0-9]+$"), list("0123456789"))


def validator():
    schema = json.loads(subprocess.run([os.environ["DROVER"], "schema"], check=True, capture_output=True, text=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


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
