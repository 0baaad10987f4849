"""The recipes for autoscaling are what Kubernetes and KEDA take: each against the schema of its kind."""

import json
import re
from pathlib import Path

import pytest
import yaml  # comes with what builds the docs

PAGE = Path(__file__).parents[2] / "docs/how-to/autoscale.md"
KINDS = json.loads(Path(__file__).with_name("kubernetes.json").read_text())["kinds"]
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}


def recipes():
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [one for block in blocks for one in yaml.safe_load_all(block)]


def wrong(schema, value, at=""):
    """What of a value is not as the schema says."""
    if type(value) is not TYPES[schema["type"]]:
        return [f"{at}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{at}: {value!r} does not look like {schema['pattern']}"]
    found = []
    if isinstance(value, list):
        found += [text for n, item in enumerate(value) for text in wrong(schema["items"], item, f"{at}[{n}]")]
    elif isinstance(value, dict):
        found += [f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, item in value.items():
            one = schema.get("properties", {}).get(name) or schema["additionalProperties"]
            found += wrong(one, item, f"{at}.{name}") if one else [f"{at}: there is no {name}"]
    return found


@pytest.mark.parametrize("recipe", recipes(), ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_a_recipe_is_what_its_kind_takes(recipe):
    assert wrong(KINDS[recipe["kind"]], recipe) == []


def test_all_kinds_are_there():
    assert {one["kind"] for one in recipes()} == set(KINDS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one["spec"].update(minReplicas=1), ".spec: there is no minReplicas"),
        (lambda one: one["spec"].update(maxReplicaCount="10"), ".spec.maxReplicaCount: '10' is no integer"),
        (lambda one: one["spec"].pop("triggers"), ".spec: triggers is missing"),
        (lambda one: one["spec"]["triggers"][0]["metadata"].update(targetValue=20), "targetValue: 20 is no string"),
    ],
)
def test_a_slip_is_seen(change, said):
    recipe = next(one for one in recipes() if one["kind"] == "ScaledObject")
    change(recipe)
    assert said in "".join(wrong(KINDS["ScaledObject"], recipe))
