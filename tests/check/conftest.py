"""Data that all checks look at."""

import ase
import pytest
from check_data import crystals, molecules


@pytest.fixture(scope="session")
def methanol() -> list[ase.Atoms]:
    return molecules()


@pytest.fixture(scope="session")
def copper() -> list[ase.Atoms]:
    return crystals()
