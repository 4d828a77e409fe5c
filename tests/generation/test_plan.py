from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
import pytest

from msgflux_nb.generation.generics import with_defaults
from msgflux_nb.generation.plan import (
    Action,
    Argument,
    ChainOfThoughts,
    ReAct,
    SelfConsistency,
    ThoughtNode,
    TreeOfThoughts,
)
from msgflux_nb.generation.schema import Dialect, wire_schema

PLANS = [ChainOfThoughts, ReAct, SelfConsistency, TreeOfThoughts]


class Invoice(msgspec.Struct):
    total: float
    items: list[str]


def decode(type_: Any, value: dict[str, Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value), type=type_)


def node(number: int, parent: int | None, score: float = 0.5) -> dict[str, Any]:
    return {"id": number, "parent": parent, "thought": f"thought {number}", "score": score}


def tree(nodes: list[dict[str, Any]], best_path: list[int]) -> dict[str, Any]:
    return {"nodes": nodes, "best_path": best_path, "final_answer": "done"}


TREE = [node(1, None), node(2, None), node(3, 1), node(4, 3)]
CHAIN = {"steps": [{"explanation": "6 times 7", "output": "42"}], "final_answer": "42"}
PATHS = [{"reasoning": "a", "answer": "Lima"}, {"reasoning": "b", "answer": "Cusco"}]
ACTION = {"name": "search", "arguments": [{"name": "query", "value": "Peru"}, {"name": "limit", "value": 3}]}

VALUES = [
    (ChainOfThoughts, CHAIN),
    (ReAct, {"thought": "t", "actions": [], "final_answer": "Lima"}),
    (SelfConsistency, {"paths": PATHS, "final_answer": "Lima"}),
    (TreeOfThoughts, tree(TREE, [1, 3, 4])),
]


# Schemas


def strict_faults(schema: Any, path: str = "$", depth: int = 1) -> list[str]:
    """Return what OpenAI's strict mode would refuse in a schema, by its documented rules."""
    faults = [f"{path}: {key}" for key in schema.keys() & FORBIDDEN]
    if depth > 10:
        faults.append(f"{path}: deeper than 10 levels")
    if not schema.keys() & {"type", "anyOf", "$ref"}:
        faults.append(f"{path}: no type")
    if "$ref" in schema and len(schema) > 1:
        faults.append(f"{path}: siblings of $ref")
    if schema.get("type") == "object":
        if sorted(schema["required"]) != sorted(schema["properties"]):
            faults.append(f"{path}: a key is not required")
        if schema.get("additionalProperties") is not False:
            faults.append(f"{path}: open object")
    below = {**schema.get("properties", {}), **dict(enumerate(schema.get("anyOf", [])))}
    if "items" in schema:
        below["items"] = schema["items"]
    for key, inner in below.items():
        faults += strict_faults(inner, f"{path}.{key}", depth + ("properties" in schema))
    return faults


FORBIDDEN = {"default", "oneOf", "allOf", "not", "if", "prefixItems", "discriminator", "title", "patternProperties"}


def test_the_checker_of_strict_mode_finds_faults() -> None:
    loose = {"type": "object", "properties": {"a": {}, "b": {"type": "integer", "default": 1}}, "required": ["a"]}
    assert strict_faults(loose) == [
        "$: a key is not required",
        "$: open object",
        "$.a: no type",
        "$.b: default",
    ]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("answer", [str, int, Invoice, list[int], bool | None])
def test_each_plan_is_legal_in_strict_mode_without_recursion(plan: Any, answer: Any) -> None:
    schema = wire_schema(plan[answer], Dialect.OPENAI).schema
    assert schema["type"] == "object"
    assert "$defs" not in schema
    assert strict_faults(schema) == []


@pytest.mark.parametrize("plan", PLANS)
def test_each_plan_has_a_schema_in_the_grammar_dialect(plan: Any) -> None:
    assert wire_schema(plan[Invoice], Dialect.GRAMMAR).schema["properties"]["final_answer"]


@pytest.mark.parametrize("plan", PLANS)
def test_msgspec_itself_reads_each_plan(plan: Any) -> None:
    for type_ in (plan, plan[int], plan[Invoice]):
        assert "final_answer" in str(msgspec.json.schema(type_))


@pytest.mark.parametrize("plan", PLANS)
def test_the_answer_comes_last_so_that_it_is_written_after_the_reasoning(plan: Any) -> None:
    assert list(wire_schema(plan[int]).schema["properties"])[-1] == "final_answer"


@pytest.mark.parametrize("plan", PLANS)
def test_without_brackets_the_answer_is_text(plan: Any) -> None:
    assert with_defaults(plan) == plan[str]
    assert wire_schema(plan).schema == wire_schema(plan[str]).schema
    answer = wire_schema(plan).schema["properties"]["final_answer"]["type"]
    assert answer in ("string", ["string", "null"])


@pytest.mark.parametrize("plan", PLANS)
def test_the_model_is_told_what_to_do_and_not_whom_to_cite(plan: Any) -> None:
    description = wire_schema(plan[int]).schema["description"]
    assert "answer" in description
    assert "arxiv" not in description


@pytest.mark.parametrize(
    ("plan", "paper"),
    [
        (ChainOfThoughts, "Wei et al. 2022"),
        (ReAct, "Yao et al. 2022"),
        (SelfConsistency, "Wang et al. 2022"),
        (TreeOfThoughts, "Yao et al. 2023"),
    ],
)
def test_a_reader_is_told_whom_to_cite(plan: Any, paper: str) -> None:
    assert paper in plan.__doc__
    assert "https://arxiv.org/abs/" in plan.__doc__


# Values


@pytest.mark.parametrize(("plan", "value"), VALUES)
def test_a_good_plan_decodes_and_encodes_back(plan: Any, value: dict[str, Any]) -> None:
    decoded = decode(plan, value)
    assert isinstance(decoded, plan)
    assert msgspec.to_builtins(decoded) == value


@pytest.mark.parametrize(("plan", "value"), VALUES)
def test_a_plan_of_a_struct_holds_instances(plan: Any, value: dict[str, Any]) -> None:
    answer = {"total": 1.5, "items": ["ink"]}
    value = {**value, "final_answer": answer}
    if plan is SelfConsistency:
        value["paths"] = [{"reasoning": "a", "answer": answer}]
    assert decode(plan[Invoice], value).final_answer == Invoice(1.5, ["ink"])


@pytest.mark.parametrize(("plan", "value"), VALUES)
def test_an_answer_of_another_type_is_refused(plan: Any, value: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="Expected `int"):
        decode(plan[int], value)


@pytest.mark.parametrize(("plan", "value"), VALUES)
def test_without_brackets_an_answer_other_than_text_is_refused(plan: Any, value: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="Expected `str"):
        decode(with_defaults(plan), {**value, "final_answer": 42})


@pytest.mark.parametrize(("plan", "value"), VALUES)
def test_a_plan_cannot_be_changed_afterwards(plan: Any, value: dict[str, Any]) -> None:
    with pytest.raises(AttributeError):
        decode(plan, value).final_answer = "other"


# Invariants


def test_a_chain_without_steps_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"length >= 1.*steps"):
        decode(ChainOfThoughts, {**CHAIN, "steps": []})


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ({"actions": [ACTION], "final_answer": "Lima"}, r"final_answer is given together with actions \(search\)"),
        ({"actions": [], "final_answer": None}, "neither an action nor a final_answer"),
    ],
)
def test_a_turn_acts_or_answers(turn: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        decode(ReAct, {"thought": "t", **turn})


@pytest.mark.parametrize("answer", [0, False, ""])
def test_an_answer_that_is_falsy_is_an_answer(answer: Any) -> None:
    turn = {"thought": "t", "actions": [], "final_answer": answer}
    assert decode(ReAct[type(answer)], turn).final_answer == answer
    with pytest.raises(msgspec.ValidationError, match="final_answer is given together"):
        decode(ReAct[type(answer)], {**turn, "actions": [ACTION]})


def test_the_arguments_of_an_action_keep_their_types() -> None:
    turn = decode(ReAct[int], {"thought": "t", "actions": [ACTION], "final_answer": None})
    assert turn.actions == [Action("search", [Argument("query", "Peru"), Argument("limit", 3)])]


def test_an_argument_given_twice_is_refused_by_name() -> None:
    twice = {"name": "search", "arguments": [{"name": "q", "value": "a"}, {"name": "q", "value": "b"}]}
    with pytest.raises(msgspec.ValidationError, match=r"action 'search' has two arguments named 'q' - at `\$.actions"):
        decode(ReAct, {"thought": "t", "actions": [twice], "final_answer": None})


def test_a_final_answer_that_no_path_reaches_is_refused_with_the_paths() -> None:
    with pytest.raises(
        msgspec.ValidationError, match=r"'Quito' is the answer of no path \(path 1: 'Lima'; path 2: 'Cusco'"
    ):
        decode(SelfConsistency, {"paths": PATHS, "final_answer": "Quito"})


@pytest.mark.parametrize("answer", [" lima", "Lima.", "LIMA\n"])
def test_the_answers_of_paths_are_compared_without_case_spaces_and_full_stop(answer: str) -> None:
    assert decode(SelfConsistency, {"paths": PATHS, "final_answer": answer}).final_answer == answer


@pytest.mark.parametrize("best_path", [[1], [1, 3], [1, 3, 4], [2]])
def test_a_path_from_a_first_thought_is_a_path(best_path: list[int]) -> None:
    assert decode(TreeOfThoughts, tree(TREE, best_path)).best_path == best_path


@pytest.mark.parametrize(
    ("nodes", "best_path", "message"),
    [
        ([node(1, None), node(1, None)], [1], "node 1 is given twice"),
        ([node(1, None), node(2, 9)], [1], "node 2: its parent 9 does not exist; nodes before it: 1"),
        ([node(1, 2), node(2, None)], [2], "node 1: its parent 2 comes later or is itself; nodes before it: none"),
        ([node(1, 1)], [1], "node 1: its parent 1 comes later or is itself"),
        (TREE, [5], "best_path names node 5, which does not exist; nodes: 1, 2, 3, 4"),
        (TREE, [3, 4], "best_path begins at node 3, whose parent is 1"),
        (TREE, [1, 4], "best_path goes from node 1 to node 4, whose parent is 3"),
        (TREE, [1, 2], "best_path goes from node 1 to node 2, whose parent is None"),
        (TREE, [1, 3, 3], "best_path goes from node 3 to node 3, whose parent is 1"),
        (TREE, [], "length >= 1"),
        ([], [1], "length >= 1"),
        ([node(1, None, score=1.5)], [1], "<= 1"),
    ],
)
def test_an_invalid_tree_is_refused_and_the_node_named(
    nodes: list[dict[str, Any]], best_path: list[int], message: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        decode(TreeOfThoughts, tree(nodes, best_path))


def test_a_long_tree_built_by_hand_is_checked_without_recursion() -> None:
    nodes = [ThoughtNode(n, n - 1 if n > 1 else None, "", 0.5) for n in range(1, 5_000)]
    path = list(range(1, 5_000))
    assert TreeOfThoughts(nodes, path, "done").best_path == path


# An end for small models


@pytest.mark.parametrize(("plan", "value"), VALUES)
def test_every_list_of_a_plan_has_an_end(plan: Any, value: dict[str, Any]) -> None:
    def arrays(schema: Any) -> list[Any]:
        inner = [schema.get("items"), *schema.get("properties", {}).values(), *schema.get("anyOf", [])]
        found = [array for below in inner if below is not None for array in arrays(below)]
        return [*found, schema] if schema.get("type") == "array" else found

    schema = wire_schema(plan[int], Dialect.GRAMMAR).schema
    assert arrays(schema)
    assert [array for array in arrays(schema) if "maxItems" not in array] == []


def test_a_text_of_a_plan_has_an_end_in_the_grammar() -> None:
    step = wire_schema(ChainOfThoughts[int], Dialect.GRAMMAR).schema["properties"]["steps"]["items"]
    assert step["properties"]["explanation"]["maxLength"] == 240


def test_a_text_longer_than_a_grammar_allows_is_kept() -> None:
    long = "because " * 100
    assert decode(ChainOfThoughts, {**CHAIN, "steps": [{"explanation": long, "output": long}]}).steps[0].output == long


# Defaults of type variables

U = TypeVar("U")


class Bare(msgspec.Struct, Generic[U]):
    value: U


@pytest.mark.parametrize(
    "type_", [int, Invoice, ChainOfThoughts[int], list[ChainOfThoughts[int]], Bare, Bare[int], int | None]
)
def test_types_without_defaults_to_fill_in_stay_as_they_are(type_: Any) -> None:
    assert with_defaults(type_) is type_
