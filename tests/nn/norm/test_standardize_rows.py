"""Kernels that normalize rows, against the formula."""

import pytest
import torch

from eqgraph import nn
from eqgraph.nn.norm import standardize_rows as module
from eqgraph.nn.norm.by_kernels import has_kernels

IRREPS = ["3x0e + 2x1o + 1x0o + 2x0e + 2x2e + 2x1o", "40x0e + 16x1o", "2x1o", "19x0e"]
LAYERS = {
    "irrep": lambda irreps: nn.LayerNorm(irreps),
    "merged": lambda irreps: nn.LayerNorm(irreps, scope="merged"),
    "separable": lambda irreps: nn.LayerNorm(irreps, scope="separable", normalization="norm", balance_degrees=False),
    "uncentred": lambda irreps: nn.RMSNorm(irreps),
}


def inputs(layer, dtype, types, weight, bias):
    rows, dim = 600, layer.layout.dim  # several chunks
    x = torch.randn(rows, dim, dtype=dtype) + 0.5
    shape = (3, dim) if types else (dim,)
    parameters = [torch.randn(shape, dtype=dtype) if has else None for has in (weight, bias)]
    tensors = [None if tensor is None else tensor.requires_grad_() for tensor in (x, *parameters)]
    return tensors, torch.randint(3, (rows,)) if types else None


@pytest.mark.parametrize("irreps", IRREPS)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_kernels_are_the_formula(irreps, name, dtype, tolerance):
    layer = LAYERS[name](irreps)
    for types, weight, bias in ((False, True, True), (True, True, True), (True, False, True), (False, False, False)):
        tensors, index = inputs(layer, dtype, types, weight, bias)
        assert has_kernels(tensors[0])
        wanted = [tensor for tensor in tensors if tensor is not None]
        out = module.standardize_rows(*tensors, layer.groups, 1e-5, index)
        expected = module._standardized(*tensors, index, groups=layer.groups, eps=1e-5)
        g = torch.randn_like(out)
        pairs = zip(
            (out, *torch.autograd.grad(out, wanted, g)),
            (expected, *torch.autograd.grad(expected, wanted, g)),
            strict=True,
        )
        for got, exact in pairs:
            torch.testing.assert_close(
                got, exact, rtol=tolerance, atol=tolerance * exact.abs().max().clamp(min=1).item()
            )


def test_rows_and_gradients_need_not_be_contiguous():
    layer = nn.LayerNorm("4x0e + 2x1o").double()
    x = torch.randn(10, 5, dtype=torch.float64).T.reshape(10, 5).repeat(1, 2).T.contiguous().T.requires_grad_()
    assert not x.is_contiguous()
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)
    layer(x).sum().backward()  # of which all numbers are one, in one place
    torch.testing.assert_close(x.grad, torch.autograd.grad(layer(x.contiguous()).sum(), x)[0])


def test_every_bit_is_the_same_for_any_number_of_threads():
    layer, x, threads = nn.LayerNorm("40x0e + 16x1o"), torch.randn(3000, 88), torch.get_num_threads()
    results = []
    for number in (1, 2):
        torch.set_num_threads(number)
        results.append(torch.autograd.grad(layer(x).square().sum(), tuple(layer.parameters())))
    torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_one_row_that_is_not_a_number_stays_alone():
    layer, x = nn.RMSNorm("4x0e + 2x1o"), torch.randn(5, 10)
    x[2, 0] = torch.nan
    assert layer(x).isfinite().all(1).tolist() == [True, True, False, True, True]
