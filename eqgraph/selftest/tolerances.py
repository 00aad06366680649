"""How exact the numbers of a potential can be."""

import torch

RELATIVE = {torch.float32: 1e-5, torch.float64: 1e-12}
"""Largest error of what should be equal, relative to Scales, where only rounding differs.

float32 rounds to 6e-8 (float64: 1.1e-16). A result went through some tens of operations one after the other, among them sums of some
hundred terms and the gradients of all: trained and untrained networks of all architectures were measured at up to 2e-6 (float64: 6e-15,
and 8e-14 where edge vectors are differences of coordinates 100 Å away). Mistakes that matter, of 1e-3, lie well beyond the tolerance.
"""

ENERGY_ROUNDING = 1e-15
"""Of energies, relative to their shifts: they are summed in float64 whatever the network computes in."""
