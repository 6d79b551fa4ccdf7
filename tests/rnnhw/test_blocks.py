"""Block sizes in a CONFIG: which matrices are drawn block-circulant, and what is refused."""

import numpy as np
import pytest

from rnnhw import compile
from rnnhw.compress import compress
from rnnhw.config import Config
from rnnhw.errors import RnnhwError
from rnnhw.fourier import spectrum
from rnnhw.model import block_sizes
from rnnhw.npz import save
from rnnhw.project import resolve
from rnnhw.reference import trace

LAYERS = """
[[layers]]
kind = "lstm"
input_size = 16
hidden_size = 24
{0}
[[layers]]
kind = "gru"
hidden_size = 16
{1}
[[layers]]
kind = "linear"
output_size = 8
{2}
"""


@pytest.fixture
def toml(tmp_path):
    def write(*parts):
        (tmp_path / "net.toml").write_text("".join(parts))
        return str(tmp_path / "net.toml")
    return write


@pytest.mark.parametrize("keys,config,sizes", [
    (("", "", ""), "", [(None, None)] * 3),
    (("", "", ""), "block_size = 8", [(8, 8), (8, 8), (None, None)]),
    (("block_size = 4", "", "block_size = 8"), "", [(4, 4), (None, None), (8, None)]),
    (("block_size = [4, 8]", "block_size = [0, 16]", ""), "block_size = 8",
     [(4, 8), (None, 16), (None, None)]),
    (("", "block_size = 0", "block_size = 0"), "block_size = 4",
     [(4, 4), (None, None), (None, None)]),
])
def test_layers_are_drawn_with_these_blocks(toml, keys, config, sizes):
    project = resolve(toml(LAYERS.format(*keys), f"[config]\n{config}\n"))
    assert [(*block_sizes(layer).values(), None)[:2] for layer in project.model.layers] == sizes
    assert project.random_weights
    design = compile(project.model, project.config)
    assert [(q.block_sizes["weight_ih"], q.block_sizes.get("weight_hh"))
            for q in design.quantized.layers] == sizes


def test_a_preset_may_have_blocks(toml):
    project = resolve("lstm-128", toml("[config]\nblock_size = 16\n"))
    assert block_sizes(project.model.layers[0]) == {"weight_ih": 16, "weight_hh": 16}
    dense = resolve("lstm-128").model
    x = np.random.default_rng(0).standard_normal((4, 16, 128))
    found, expected = (trace(model, x)["0.pre"].std() for model in (project.model, dense))
    assert 0.9 < found / expected < 1.1
    assert project.model.layers[0].circulant_ih.blocks.max() <= 1 / np.sqrt(128)


def test_a_dense_model_is_refused_where_a_compressed_one_is_meant(toml, tmp_path):
    model = resolve("tiny").model
    save(model, tmp_path / "dense.npz")
    over = toml("[config]\nblock_size = 4\n")
    project = resolve(str(tmp_path / "dense.npz"), over)
    with pytest.raises(RnnhwError, match="^block_size is 4, but the model's matrices are dense; "
                                         "rnnhw compress MODEL --block-size 4 makes a"):
        compile(project.model, project.config)
    small = compress(resolve("gru-13-64").model, 16)
    save(small, tmp_path / "small.npz")
    project = resolve(str(tmp_path / "small.npz"), over)
    with pytest.raises(RnnhwError, match="^block_size is 4, but the model has blocks of 16; leave"):
        compile(project.model, project.config)
    design = compile(project.model, Config(block_size=16, spectrum_bits=18))
    assert design.quantized.layers[0].formats["weight_hh"].width == 18
    values = spectrum(small.layers[0].circulant_hh.blocks)
    codes = design.quantized.layers[0].weight_hh
    lsb = design.quantized.layers[0].formats["weight_hh"].lsb
    assert np.abs(codes * lsb - values).max() <= lsb / 2


@pytest.mark.parametrize("keys,config,sentence", [
    (("block_size = 12", "", ""), "", r"^block_size of layer 0 of \[\[layers\]\], where not 0 "
     r"\(dense\), must be a power of two within 4..64, not 12.$"),
    (("", "block_size = [4, 128]", ""), "", r"^block_size of layer 1 of \[\[layers\]\], where not 0"
     r" \(dense\), must be a power of two within 4..64, not 128.$"),
    (("", "block_size = [4, 4, 4]", ""), "", r"^block_size of layer 1 of \[\[layers\]\] must be a "
     r"number or a pair \[input, recurrent\], not \[4, 4, 4\].$"),
    (("", "block_size = [true, 4]", ""), "", "must be a power of two within 4..64, not True.$"),
    (("block_size = '8'", "", ""), "", r"^block_size of layer 0 of \[\[layers\]\] must be a number "
     r"or a pair \[input, recurrent\], not '8'.$"),
    (("", "", "block_size = [8, 8]"), "", r"^block_size of layer 2 of \[\[layers\]\] must be a "
     r"whole number, not \[8, 8\].$"),
    (("", "", "block_size = 32"), "", r"^weight of layer 2 of \[\[layers\]\] has 8 rows of a gate, "
     "which blocks of 32 would pad to 32, by more than a quarter; 26 to 32 or blocks of 8 would"),
    (("", "", ""), "block_size = 64", r"^weight_ih of layer 0 of \[\[layers\]\] has 24 rows of a "
     "gate, which blocks of 64 would pad to 64, by more than a quarter; 52 to 64 or blocks of 8"),
    (("", "", ""), "block_size = 12", "^block_size must be a power of two within 4..64, not 12.$"),
    (("", "", ""), "block_size = true", r"^block_size of \[config\] of .* must be a whole number"),
])
def test_refused(toml, keys, config, sentence):
    with pytest.raises(RnnhwError, match=sentence):
        resolve(toml(LAYERS.format(*keys), f"[config]\n{config}\n"))


def test_products_of_a_complex_one_are_hardware(tmp_path, toml):
    design = compile(resolve("lstm-128", toml("[config]\nblock_size = 32\n")).model, Config())
    design.save(tmp_path / "d")
    project = resolve(str(tmp_path / "d"), toml("[config]\nspectral_products = 3\n"))
    assert project.config.spectral_products == 3 and project.design.hash == design.hash
    with pytest.raises(RnnhwError, match="^spectrum_bits is settled in the design folder"):
        resolve(str(tmp_path / "d"), toml("[config]\nspectrum_bits = 10\n"))
