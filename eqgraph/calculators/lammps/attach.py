"""The potential as a fix of LAMMPS."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses, atomic_numbers

from eqgraph.models import Potential
from eqgraph.uncertainty import Committee

from .interrupts import Interrupts
from .rank_potential import RankPotential, Visible
from .ranks import Ranks

FIX = "eqgraph"
"""Name of the fix: `f_eqgraph` in LAMMPS is the potential energy [eV]."""

_GUARD = "eqgraph_failed"
"""Name of what stops a run, see _Fix._stop."""

_IMBALANCE = 1e-4
"""Forces of all atoms add up to less than this times the gradients of all edges: rounding is far below, missing atoms above."""

_ORDER = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]
"""LAMMPS's order of the components of symmetric tensors: xx, yy, zz, xy, xz, yz."""


def attach(
    lmp: Any,
    model: str | os.PathLike | Potential,
    elements: Sequence[str],
    device: torch.device | str | None = None,
    dtype: str | None = None,
    skin: float = 1.0,
) -> None:
    """Let a potential act on the atoms of LAMMPS, in addition to what else does; its box must be there, its `run` must not.

    Energies, forces and virials go through the fix `eqgraph`: `pe`, `press`, `compute pe/atom`, `compute stress/atom`, `minimize`,
    `fix npt` and `fix gcmc full_energy` have them. On several processes ghost atoms are asked for within twice the receptive field
    and LAMMPS's neighbor skin is set, so that forces are the same on any number. Call it again after `clear` or `read_restart`.

    Args:
        lmp: what open_lammps returned. A lammps.lammps object works too, but its errors do not say what stopped a run.
        model: a model file (*.eqg), or a Potential, which is copied.
        elements: chemical symbols of atom types 1, 2, ...
        device: where to compute, see EqgraphCalculator.
        dtype: floating-point type of the network, see EqgraphCalculator.
        skin: edges are searched up to cutoff + skin, and again when atoms have moved by half of it [Å].

    Raises:
        FileNotFoundError: if there is no model file.
        ValueError: if units, box, types or masses do not fit, or the model knows an element not.

    Example:
        >>> lmp = open_lammps()  # doctest: +SKIP
        >>> lmp.file("water.lmp")  # units metal, read_data; no pair_style, no run  # doctest: +SKIP
        >>> attach(lmp, "model.eqg", ["O", "H"])  # doctest: +SKIP
        >>> lmp.command("run 1000")  # doctest: +SKIP
    """
    from eqgraph.calculators.ase import EqgraphCalculator

    _check(lmp, elements)
    calculator = EqgraphCalculator(model, device, dtype, skin=skin)
    if isinstance(calculator.model, Committee):
        raise ValueError(
            "LAMMPS: expected one model, got a committee. Name one of its files, such as runs/first/seed_0/model.eqg."
        )
    potential = calculator.potential
    species = potential.species_index(torch.tensor([atomic_numbers[symbol] for symbol in elements]))
    rank_potential, ranks = RankPotential(potential, species.cpu(), skin), Ranks(lmp)
    if lmp.has_id("fix", FIX):
        lmp.commands_list(
            [f"unfix {FIX}", f"unfix {_GUARD}", f"variable {_GUARD} delete", f"variable {_GUARD}_text delete"]
        )
    if lmp.extract_global("pair_style") == "none":  # so that computes such as rdf know a distance
        lmp.commands_list([f"pair_style zero {potential.cutoff:.10g} nocoeff", "pair_coeff * *"])
    if ranks.size > 1:
        lmp.commands_list(
            [f"neighbor {skin:.10g} bin", f"comm_modify mode single cutoff {rank_potential.shell + skin:.10g}"]
        )
    lmp.commands_list(
        [
            f"fix {FIX} all external pf/callback 1 1",
            f"fix_modify {FIX} energy yes virial yes",
            f"variable {_GUARD}_text string 0",
            f"variable {_GUARD} equal v_{_GUARD}_text",
            f"variable {_GUARD}_zero atom 0",
            f"fix {_GUARD} all addforce v_{_GUARD} 0 0 energy v_{_GUARD}_zero",
        ]
    )
    fix = _Fix(lmp, rank_potential, ranks)
    function = lmp.FIX_EXTERNAL_CALLBACK_FUNC(fix.callback)
    lmp.callback[FIX] = {"function": function, "caller": fix}  # keeps it alive
    lmp.lib.lammps_set_fix_external_callback(lmp.lmp, FIX.encode(), function, fix)


def _check(lmp: Any, elements: Sequence[str]) -> None:
    """Whether LAMMPS is set up for the potential."""
    if isinstance(elements, str):
        raise TypeError(
            f"LAMMPS: expected a list of elements, one for each atom type, got {elements!r}. Write ['O', 'H']."
        )
    if unknown := [symbol for symbol in elements if atomic_numbers.get(symbol, 0) < 1]:
        raise ValueError(
            f"LAMMPS: expected chemical symbols such as O and H, got {', '.join(map(str, unknown))}. Correct it."
        )
    if (units := lmp.extract_global("units")) != "metal":
        raise ValueError(
            f"LAMMPS: expected `units metal` (eV, Å, ps), got `units {units}`. Start the input with `units metal`."
        )
    if not lmp.extract_setting("box_exist"):
        raise ValueError("LAMMPS: expected a simulation box, got none. Read or create the atoms before the potential.")
    if lmp.extract_setting("dimension") != 3:
        raise ValueError("LAMMPS: expected `dimension 3`, got 2. The potential knows three dimensions.")
    if (num_types := lmp.extract_setting("ntypes")) != len(elements):
        raise ValueError(
            f"LAMMPS: expected an element for each of {num_types} atom types, got {len(elements)} ({', '.join(elements)}). List them "
            "in the order of the types, an element several times if it has several types."
        )
    masses = lmp.numpy.extract_atom("mass")  # entry 0 is unused
    known = {symbol: atomic_masses[atomic_numbers[symbol]] for symbol in elements}
    for number, symbol in enumerate(elements, start=1):
        mass = 0.0 if masses is None else masses[number]
        others = [other for other in known if other != symbol and abs(known[other] - mass) < 0.01 * mass]
        if others and abs(known[symbol] - mass) > 0.1 * mass:
            raise ValueError(
                f"LAMMPS: expected a mass near {known[symbol]:.3f} for atom type {number}, which is to be {symbol}, got {mass:.3f}, "
                f"that of {others[0]}. Put the elements in the order of the types."
            )


class _Fix:
    """What the fix calls at each step, on each process."""

    def __init__(self, lmp: Any, potential: RankPotential, ranks: Ranks) -> None:
        self.lmp, self.potential, self.ranks = lmp, potential, ranks
        self._interrupts: Interrupts | None = getattr(lmp, "eqgraph_interrupts", None)  # None of a plain lammps.lammps
        self._at_exchange: tuple[np.ndarray, np.ndarray] | None = None

    def callback(self, _caller: Any, step: int, num_local: int, _tags: Any, _pos: Any, force_pointer: Any) -> None:
        """Fill LAMMPS's array of forces; what goes wrong on one process stops all."""
        present = owned = failure = None
        try:
            if self._interrupts is not None and self._interrupts.taken():
                raise KeyboardInterrupt
            present, visible = self._visible(num_local)
            owned = self.potential(visible)
        except BaseException as error:  # anything that leaves a callback is lost
            failure = error
        virials = np.zeros((0, 6)) if owned is None else owned.virials[:, *_ORDER]
        sums = np.zeros(12)  # energy, forces, gradients, virials, failures
        if owned is not None:
            sums[:11] = owned.energies.sum(), *owned.forces.sum(0), owned.scale, *virials.sum(0)
        sums[11] = failure is not None
        total = self.ranks.sum(sums)
        if not total[11] and not np.abs(total[1:4]).max() <= _IMBALANCE * total[4]:
            failure = ValueError(
                f"LAMMPS: expected forces that add up to zero, got {total[1:4].tolist()} eV/Å at step {step}: a process does not see "
                f"all atoms that matter. Leave `comm_modify cutoff` at {self.potential.shell + self.potential.skin:g} Å or above."
            )
            total[11] = 1
        self.lmp.fix_external_set_energy_global(FIX, total[0])
        self.lmp.fix_external_set_virial_global(FIX, total[5:11])
        if total[11]:
            self._stop(failure, step)
        elif num_local:  # lammps.numpy needs atoms
            forces = self.lmp.numpy.darray(force_pointer, num_local, 3)
            forces[:] = 0
            forces[present] = owned.forces
            per_atom = np.zeros((num_local, 7))
            per_atom[present] = np.column_stack([owned.energies, virials])
            self.lmp.numpy.fix_external_set_energy_peratom(FIX, per_atom[:, 0])
            self.lmp.numpy.fix_external_set_virial_peratom(FIX, per_atom[:, 1:].copy())

    def _visible(self, num_local: int) -> tuple[np.ndarray, Visible]:
        """Which of the local atoms are there, and what the potential is computed from."""
        lmp = self.lmp
        count = num_local if self.ranks.size == 1 else num_local + lmp.extract_setting("nghost")
        low, high, xy, yz, xz, periodic, _ = lmp.extract_box()
        cell = np.diag(np.subtract(high, low))
        cell[1, 0], cell[2, 1], cell[2, 0] = xy, yz, xz
        if not count:
            nothing = np.zeros(0, dtype=int)
            return nothing, Visible(np.zeros((0, 3)), nothing, nothing, 0, cell, np.array(periodic, dtype=bool))
        if lmp.extract_global("respa_levels"):
            raise ValueError(
                "LAMMPS: expected `run_style verlet`, got respa, which leaves the potential out. Remove it."
            )
        tags, types, mask = (lmp.numpy.extract_atom(name, nelem=count) for name in ("id", "type", "mask"))
        pos = lmp.numpy.extract_atom("x", nelem=count, dim=3)
        if tags.min() < 1:
            raise ValueError("LAMMPS: expected atoms with numbers, got atoms without. Remove `atom_modify id no`.")
        # fix gcmc tries a deletion by taking the atom out of all groups, `all` included
        present = np.flatnonzero(mask & 1)
        num_owned = int(np.searchsorted(present, num_local))
        visible = Visible(pos[present], tags[present], types[present], num_owned, cell, np.array(periodic, dtype=bool))
        if self.ranks.size > 1:
            self._check_ghosts(visible)
        return present[:num_owned], visible

    def _check_ghosts(self, visible: Visible) -> None:
        """Whether ghosts are those that matter: LAMMPS renews them before an atom moves by half of its skin, unless told not to."""
        owned, tags = visible.pos[: visible.num_owned], visible.tags
        before = self._at_exchange
        if self.lmp.extract_setting("neigh_ago") == 0 or before is None or not np.array_equal(before[1], tags):
            self._at_exchange = owned.copy(), tags.copy()
        elif (moved := np.linalg.norm(owned - before[0], axis=1).max(initial=0)) > 0.501 * self.potential.skin:
            raise ValueError(
                f"LAMMPS: expected new ghost atoms before an atom has moved by {self.potential.skin / 2:g} Å, got {moved:.3g} Å. Leave "
                f"`neigh_modify every 1 delay 0 check yes` and `neighbor {self.potential.skin:g} bin` as they are."
            )

    def _stop(self, failure: BaseException | None, step: int) -> None:
        """Stop LAMMPS on all processes: no exception passes through its frames, but it raises one when it meets a variable
        that is no number, which a second fix reads right after this one."""
        message = None if failure is None else str(failure) or type(failure).__name__
        first, message = self.ranks.first_message(message)
        if failure is None or (isinstance(failure, ValueError) and self.ranks.rank != first):
            failure = ValueError(message)
        self.lmp.eqgraph_failure = failure
        self.lmp.error(0, f"eqgraph stops the run at step {step}: {message}")  # a warning, on the screen and in the log
        self.lmp.set_string_variable(f"{_GUARD}_text", "failed")
