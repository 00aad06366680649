import json

import numpy as np
import pytest
from torch_geometric.datasets import ShapeNet

from eqgraph.datasets import read_point_clouds

SYNSETS = {"02691156": [0, 1, 2, 3], "02773838": [4, 5], "04379243": [47, 48, 49]}
SPLITS = {"train": ["a", "b"], "val": ["c"], "test": ["d"]}
ALL_SYNSETS = ["02954340", "02958343", "03001627", "03261776", "03467517", "03624134", "03636649", "03642806"]
ALL_SYNSETS += ["03790512", "03797390", "03948459", "04099429", "04225987"]


@pytest.fixture
def root(tmp_path):
    """PyG's raw folder."""
    rng = np.random.default_rng(0)
    for split, names in SPLITS.items():
        files = []
        for synset, parts in SYNSETS.items():
            for name in names:
                num = int(rng.integers(5, 9))
                table = np.hstack([rng.normal(size=(num, 6)), rng.choice(parts, size=(num, 1))])
                (tmp_path / "raw" / synset).mkdir(parents=True, exist_ok=True)
                np.savetxt(tmp_path / "raw" / synset / f"{name}.txt", table, fmt="%.6f")
                files.append(f"shape_data/{synset}/{name}")
        (tmp_path / "raw" / "train_test_split").mkdir(exist_ok=True)
        (tmp_path / "raw" / "train_test_split" / f"shuffled_{split}_file_list.json").write_text(json.dumps(files))
    for synset in ALL_SYNSETS:  # PyG asks for all folders
        (tmp_path / "raw" / synset).mkdir()
    (tmp_path / "raw" / "synsetoffset2category.txt").write_text("")
    return tmp_path


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_against_pyg(root, split, capsys):
    clouds, reference = read_point_clouds(root, split=split), ShapeNet(str(root), split=split)
    assert len(clouds) == len(reference) == 3 * len(SPLITS[split])
    for ours, theirs in zip(clouds, reference, strict=True):
        np.testing.assert_allclose(ours.pos, theirs.pos, atol=1e-6)
        np.testing.assert_allclose(ours.x, theirs.x, atol=1e-6)
        np.testing.assert_array_equal(ours.y, theirs.y)
        assert int(ours.category) == int(theirs.category)
    assert clouds.categories == list(ShapeNet.category_ids)
    assert dict(zip(clouds.categories, clouds.parts, strict=True)) == ShapeNet.seg_classes
    assert clouds.num_classes == 50
    assert clouds.irreps_in == "1x1o"


def test_splits_and_categories(root):
    assert len(read_point_clouds(root / "raw")) == 12
    assert len(read_point_clouds(root, split=["train", "valid"])) == 9
    bags = read_point_clouds(root, split="train", classes=["Bag"], normals=False, num_points=4)
    assert bags.classes == ["Bag/4", "Bag/5"]
    assert bags.irreps_in == ""
    assert bags.num_points.tolist() == [4, 4]
    table = np.loadtxt(root / "raw" / "02773838" / "a.txt")
    parts = {tuple(row[:3]): int(row[6]) - 4 for row in table.astype(np.float32)}
    assert [parts[tuple(point)] for point in bags[0].pos.numpy()] == bags[0].y.tolist()


def test_errors(root):
    file = root / "raw" / "02773838" / "a.txt"
    before = file.read_text()
    file.write_text(before + "1 2 3\n")
    with pytest.raises(ValueError, match=r"a\.txt: expected rows x y z nx ny nz part.*Choose the data with normals"):
        read_point_clouds(root)
    file.write_text(before + "1 2 3 0 0 1 4.5\n")
    with pytest.raises(ValueError, match="whole numbers as parts"):
        read_point_clouds(root)
    file.write_text(before + "1 2 3 0 0 1 50\n")
    with pytest.raises(ValueError, match=r"'02773838/a.txt'\): point labels: expected 0 to 49.*got 50"):
        read_point_clouds(root)
    file.write_text(before + "1 nan 3 0 0 1 4\n")
    with pytest.raises(ValueError, match=r"'02773838/a.txt'\): expected finite coordinates"):
        read_point_clouds(root)
    file.write_text(before + "1 3 3 0 0 inf 4\n")
    with pytest.raises(ValueError, match=r"'02773838/a.txt'\): expected finite normals"):
        read_point_clouds(root)
    file.unlink()
    with pytest.raises(ValueError, match=r"got '02773838/a.txt', which does not exist"):
        read_point_clouds(root)
