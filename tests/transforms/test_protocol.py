import pytest
import torch
from torch_geometric.data import Data

from eqgraph.transforms import protocol


@pytest.mark.parametrize("name", ["none/none", "z/z", "z/SO3", "SO3/SO3", "none/SO3", "O3/O3"])
def test_what_turns(name):
    data = Data(pos=torch.randn(5, 3), x=torch.randn(5, 1))
    for group, transform in zip(name.split("/"), protocol(name, irreps_x="0e"), strict=True):
        turned = transform(data).pos
        assert torch.allclose(turned, data.pos) == (group == "none")
        assert torch.allclose(turned[:, 2], data.pos[:, 2]) == (group in ("none", "z"))
        torch.testing.assert_close(turned.norm(dim=1), data.pos.norm(dim=1))


@pytest.mark.parametrize("name", ["z", "z/so3", "z/SO3/z", ""])
def test_errors(name):
    with pytest.raises(ValueError, match=r"two of none, z, SO3, O3 with a slash between, got .*Write 'z/SO3'"):
        protocol(name)
