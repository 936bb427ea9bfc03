"""A field is set by its dotted name, to a value of its own type, and nothing else changes."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.config import digest, field_names, override, to_dict


@dataclass(frozen=True)
class Inner:
    share: float = 0.5
    rounds: int = 3
    steps: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.5, 0.9)
    limit: float | None = None


@dataclass(frozen=True)
class Outer:
    name: str = "x"
    kind: Literal["a", "b"] = "a"
    loud: bool = False
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("field", "given_value", "expected"),
    [
        ("inner.share", 1, 1.0),
        ("inner.share", "0.25", 0.25),
        ("inner.rounds", "4", 4),
        ("inner.rounds", 4.0, 4),
        ("inner.steps", [], ()),
        ("inner.steps", "[3, 4, 5]", (3, 4, 5)),
        ("inner.pair", [0, 1], (0.0, 1.0)),
        ("inner.limit", None, None),
        ("inner.limit", 2, 2.0),
        ("loud", "true", True),
        ("kind", "b", "b"),
        ("name", "true", "true"),
    ],
)
def test_a_value_is_read_as_what_the_field_holds(
    field: str, given_value: Any, expected: Any
) -> None:
    value: Any = override(Outer(), {field: given_value})
    for part in field.split("."):
        value = getattr(value, part)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inner.share", "much"),
        ("inner.share", True),
        ("inner.rounds", 1.5),
        ("inner.rounds", None),
        ("inner.steps", 3),
        ("inner.steps", "1, 2"),
        ("inner.pair", [1.0]),
        ("inner.limit", "high"),
        ("kind", "c"),
        ("loud", 2),
        ("name", 7),
    ],
)
def test_an_ill_typed_value_is_refused_with_its_field_its_value_and_the_type(
    field: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"field '{field}'") as caught:
        override(Outer(), {field: value})
    assert repr(value) in str(caught.value)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("field", ["inner.sahre", "inner", "inner.share.more"])
def test_an_unknown_field_is_refused_and_close_ones_are_named(field: str) -> None:
    with pytest.raises(ValueError, match="no field") as caught:
        override(Outer(), {field: 1})
    assert any(known in str(caught.value) for known in field_names(Outer()))


@pytest.mark.parametrize("field", ["", ".", "qq"])
def test_where_no_field_is_close_none_is_named(field: str) -> None:
    with pytest.raises(ValueError, match="no field") as caught:
        override(Outer(), {field: 1})
    assert str(caught.value) == f"The recipe has no field {field!r}: the README lists its groups."


def test_a_misspelt_field_is_told_the_right_one() -> None:
    with pytest.raises(ValueError, match=r"inner\.share"):
        override(Outer(), {"inner.sahre": 1})


@given(st.floats(0, 1), st.integers(0, 9), st.permutations(["inner.share", "inner.rounds"]))
def test_the_order_of_the_values_does_not_matter_and_the_given_stays(
    share: float, rounds: int, order: list[str]
) -> None:
    values = {"inner.share": share, "inner.rounds": rounds}
    before = Outer()
    after = override(before, {name: values[name] for name in order})
    assert after == Outer(inner=Inner(share=share, rounds=rounds))
    assert before == Outer()


def test_every_named_field_can_be_set_to_what_it_holds() -> None:
    plain = to_dict(Outer())
    for name in field_names(Outer()):
        value = plain
        for part in name.split("."):
            value = value[part]
        assert override(Outer(), {name: value}) == Outer()


def test_a_digest_tells_configurations_apart() -> None:
    assert digest(Outer()) == digest(Outer())
    assert digest(Outer()) != digest(override(Outer(), {"inner.rounds": 4}))


@dataclass(frozen=True)
class Shares:
    first: float = 0.2
    second: float = 0.4

    def __post_init__(self) -> None:
        if self.first + self.second > 1:
            raise ValueError("too much")


@dataclass(frozen=True)
class Holder:
    shares: Shares = Shares()


@given(st.floats(0, 1), st.floats(0, 1), st.permutations(["shares.first", "shares.second"]))
def test_fields_that_are_checked_together_are_set_together(
    first: float, second: float, order: list[str]
) -> None:
    values = {"shares.first": first * (1 - second), "shares.second": second * 0.99}
    changed = override(Holder(), {name: values[name] for name in order})
    assert changed.shares == Shares(values["shares.first"], values["shares.second"])
