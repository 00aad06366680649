"""Numbers, axes and samples of charts."""

import base64

import numpy as np
import plotly.graph_objects as go
import pytest

from eqgraph.report import Chart, axis, epoch_axis, log_axis, numbers, points_to_draw, say_drawn


def test_numbers_are_what_plotly_reads():
    values = np.array([1.5, np.nan, -2.0, np.inf])
    coded = numbers(values)
    read = np.frombuffer(base64.b64decode(coded["bdata"]), coded["dtype"])
    np.testing.assert_array_equal(read, [1.5, np.nan, -2.0, np.nan])
    assert go.Scatter(x=coded).to_plotly_json()["x"] == coded


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e-4, 1.0], ["0.0001", "0.001", "0.01", "0.1", "1"]),
        ([0.3, 4.0], ["0.2", "0.5", "1", "2", "5"]),
        ([2.0, 5.0], ["1", "1.5", "2", "3", "5", "7", "10"]),
        ([0.051, 0.049], ["0.049", "0.0495", "0.05", "0.0505", "0.051"]),
    ],
)
def test_ticks_of_logarithmic_axes(values, expected):
    made = log_axis("loss", np.array(values))
    assert made["type"] == "log"
    assert made["ticktext"] == expected
    np.testing.assert_allclose(made["tickvals"], np.array(expected, float), rtol=1e-4)
    go.Figure(layout={"xaxis": made, "yaxis": epoch_axis(3)})


def test_an_axis_without_positive_numbers_is_linear():
    assert "type" not in log_axis("loss", np.array([np.nan, 0.0, -1.0]))
    assert "type" not in log_axis("loss", np.zeros(0))


def test_the_largest_errors_are_always_drawn():
    errors = np.random.default_rng(0).normal(size=5000)
    errors[[7, 4000]] = -50, 60
    shown = points_to_draw(errors, 100)
    assert len(set(shown.tolist())) == 100
    worst = np.argsort(-np.abs(errors))[:10]
    assert set(worst) <= set(shown.tolist())
    assert sorted(points_to_draw(errors, 5000)) == list(range(5000))
    assert say_drawn(100, 5000, "points").startswith("Drawn are 100 of 5000 points")
    assert say_drawn(5000, 5000, "points") == ""


def test_numbers_that_json_has_not_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        Chart([{"x": [float("nan")]}], {"xaxis": axis("x")}).html()
