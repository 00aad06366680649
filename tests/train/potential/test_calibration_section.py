"""Uncertainties against errors."""

import numpy as np
import plotly.graph_objects as go
import pytest

from eqgraph.train.potential.calibration_section import (
    Uncertain,
    calibration_chart,
    calibration_section,
    calibration_table,
)


@pytest.fixture
def normal() -> Uncertain:
    """Errors that are as large as they are said to be, twice as large as a factor says; some without label."""
    rng = np.random.default_rng(0)
    uncertainties = 10.0 ** rng.uniform(-2, 1, 20_000)
    errors = rng.normal(size=20_000) * uncertainties
    errors[:100] = np.nan
    return Uncertain(errors, uncertainties, [f"point {index}" for index in range(20_000)])


def test_normal_errors_are_calibrated(normal):
    ((name, one, two, rank, spread, count),) = calibration_table({"valid": normal}, "Energy").rows
    assert (name, count) == ("valid", "19900")
    assert float(one) == pytest.approx(68.3, abs=1)
    assert float(two) == pytest.approx(95.4, abs=1)
    assert float(rank) > 0.6
    assert float(spread) == pytest.approx(1, abs=0.03)
    double = normal._replace(uncertainties=normal.uncertainties / 2)
    ((_, one, _, _, spread, _),) = calibration_table({"valid": double}, "Energy").rows
    assert float(one) == pytest.approx(38.3, abs=1.5)
    assert float(spread) == pytest.approx(2, abs=0.06)


def test_the_chart_names_its_points_and_bins_follow_the_diagonal(normal):
    from base64 import b64decode

    chart = calibration_chart(normal, "meV", "Energy")
    go.Figure({"data": chart.data, "layout": chart.layout})
    points, bins, _ = chart.data
    x, y = (np.frombuffer(b64decode(points[key]["bdata"]), "f4") for key in ("x", "y"))
    for value, error, name in zip(x[:20], y[:20], points["text"], strict=False):
        index = int(name.split()[1])
        assert value == pytest.approx(normal.uncertainties[index], rel=1e-6)
        assert error == pytest.approx(abs(normal.errors[index]), rel=1e-6)
    x, y = (np.frombuffer(b64decode(bins[key]["bdata"]), "f4") for key in ("x", "y"))
    np.testing.assert_allclose(y / x, 1, atol=0.1)
    assert "3000 of 19900" in chart.caption


def test_nothing_to_calibrate():
    empty = Uncertain(np.array([np.nan]), np.ones(1), ["a"])
    assert calibration_section({}) is None
    assert calibration_section({("energy", "meV"): {"valid": empty}}) is None
    constant = Uncertain(np.array([1.0, 2.0]), np.zeros(2), ["a", "b"])
    section = calibration_section({("energy", "meV"): {"valid": constant, "test": empty}})
    assert "valid" in section.html()
    assert "test" not in section.html()
