"""A difference between two runs is that of each query, and its interval holds what luck does."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.paired import paired_difference, read_per_query
from reid_data.randomness import generator_of

some_rows = st.lists(
    st.tuples(st.integers(-1, 5), st.floats(0.01, 1), st.floats(0.01, 1)), min_size=2, max_size=20
).filter(lambda rows: len({identity for identity, _, _ in rows}) > 1)


def run(identities: list[int], scores: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "query": range(len(scores)),
            "identity": identities,
            "camera": 0,
            "average_precision": scores,
        }
    )


def test_two_identities_by_hand() -> None:
    """Identity 1 gains 0.4 in its one query, identity 2 loses 0.1 in each of three.

    Mean (0.4 - 0.3) / 4 = 0.025. A sample has identity 1 twice (0.4), once ((0.4 - 0.3) / 4) or
    never (-0.1), with probabilities 1/4, 1/2 and 1/4: the interval reaches from -0.1 to 0.4. Were
    queries drawn instead, all four from identity 1 would be a sample of 1 in 256.
    """
    ours = run([1, 2, 2, 2], [0.9, 0.4, 0.5, 0.6])
    theirs = run([1, 2, 2, 2], [0.5, 0.5, 0.6, 0.7])
    got = paired_difference(ours, theirs)
    assert got.mean == pytest.approx(0.025)
    assert [got.low, got.high] == pytest.approx([-0.1, 0.4])
    assert (got.identities, got.samples) == (2, 2000)


@given(some_rows)
def test_the_order_of_rows_does_not_matter_and_the_sign_is_of_ours(
    rows: list[tuple[int, float, float]],
) -> None:
    identities, a, b = (list(column) for column in zip(*rows, strict=True))
    ours, theirs = run(identities, a), run(identities, b)
    got = paired_difference(ours, theirs)
    assert paired_difference(ours[::-1], theirs.sample(frac=1, random_state=0)) == got
    assert got.mean == pytest.approx((sum(a) - sum(b)) / len(rows), abs=1e-12)
    back = paired_difference(theirs, ours)
    assert back.mean == pytest.approx(-got.mean, abs=1e-12)
    assert paired_difference(ours, ours).high == 0


def test_the_interval_holds_the_truth_about_95_times_in_100() -> None:
    """Differences of 60 identities with 5 queries each, true mean 0.1, correlated inside."""
    identities = torch.arange(60).repeat_interleave(5)
    held = 0
    for trial in range(200):
        g = generator_of(trial)
        of_identity = 0.1 + 0.2 * torch.randn(60, generator=g, dtype=torch.float64)
        of_query = 0.1 * torch.randn(300, generator=g, dtype=torch.float64)
        ours = run(identities.tolist(), (of_identity[identities] + of_query).tolist())
        got = paired_difference(ours, run(identities.tolist(), [0.0] * 300), samples=400)
        held += got.low <= 0.1 <= got.high
    # 190 expected, with a standard deviation of sqrt(200 * 0.95 * 0.05) = 3.1.
    assert 190 - 4 * 3.1 < held <= 200


@pytest.mark.parametrize(
    "theirs",
    [
        run([1, 2], [0.5, 0.5]),
        run([1, 2, 3], [0.5, 0.5, 0.5]),
        run([1, 2, 2], [0.5, 0.5, 0.5]).assign(query=[0, 1, 3]),
        run([1, 2, 2], [0.5, 0.5, 0.5]).assign(repeat=0),
    ],
    ids=["fewer", "other identities", "other queries", "drawn galleries"],
)
def test_runs_on_other_queries_are_refused(theirs: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"have 3 and \d scores, and not of the same queries"):
        paired_difference(run([1, 2, 2], [0.1, 0.2, 0.3]), theirs)


def test_one_identity_has_no_interval() -> None:
    rows = run([4, 4], [0.1, 0.2])
    with pytest.raises(ValueError, match="All queries show one identity"):
        paired_difference(rows, rows)


def test_a_table_is_read_back(tmp_path: Path) -> None:
    scores = torch.rand(50, generator=generator_of(0), dtype=torch.float64).tolist()
    rows, file = run(list(range(50)), scores), tmp_path / "rows.csv"
    rows.to_csv(file, index=False)
    pd.testing.assert_frame_equal(read_per_query(file), rows, rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"rows\.csv cannot be read \(EmptyDataError\)"),
        ("a,b\n1,2\n1,2,3\n", r"cannot be read \(ParserError\)"),
        ("query,identity\n1,2\n", "has no numbers in a column 'average_precision'"),
        ("query,identity,average_precision\n1,a,0.5\n", "no numbers in a column 'identity'"),
        ("query,identity,average_precision\n1.5,1,0.5\n", "no numbers in a column 'query'"),
        ("query,identity,average_precision\n1,2,0.5\n2,2,\n", "a row without average_precision"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "rows.csv"
    with pytest.raises(ValueError, match=r"rows\.csv cannot be read \(FileNotFoundError\)"):
        read_per_query(file)
    file.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_per_query(file)
