"""Golden values computed by hand, and pictures that must be refused."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.contract.preprocessing import IMAGE_PIXELS_MAX, NotAnImage, decode, size_from_header, to_tensor
from edge_agent.wire.manifest import ColourOrder, Layout, PreprocessingSpec, ResizeKernel, ResizeMode

# One row of two pixels, BGR: pure blue, then a mixed colour.
ROW = np.array([[[255, 0, 0], [10, 20, 30]]], np.uint8)


def spec(**fields):
    return PreprocessingSpec(**{"height_px": 1, "width_px": 2, **fields})


def png(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_rgb_planes_come_in_the_order_red_green_blue():
    tensor = to_tensor(ROW, spec(scale=1.0))
    assert tensor.tolist() == [[[[0.0, 30.0]], [[0.0, 20.0]], [[255.0, 10.0]]]]


def test_bgr_keeps_the_cameras_order():
    assert to_tensor(ROW, spec(scale=1.0, colour_order=ColourOrder.BGR))[0, 0].tolist() == [[255.0, 10.0]]


def test_grey_weighs_the_colours_as_itu_601_does():
    tensor = to_tensor(ROW, spec(scale=1.0, colour_order=ColourOrder.GREY))
    assert tensor.shape == (1, 1, 1, 2)
    # 0.114 * 255 = 29.07; 0.299 * 30 + 0.587 * 20 + 0.114 * 10 = 21.85
    assert tensor.reshape(-1).tolist() == [29.0, 22.0]


def test_values_are_scaled_then_centred_then_divided_per_channel():
    tensor = to_tensor(ROW, spec(scale=0.1, mean=(1.0, 2.0, 0.5), std=(2.0, 1.0, 0.25)))
    # The second pixel: red (3 - 1) / 2, green (2 - 2) / 1, blue (1 - 0.5) / 0.25.
    np.testing.assert_allclose(tensor[0, :, 0, 1], [1.0, 0.0, 2.0], atol=1e-6)


def test_nhwc_puts_the_channels_last():
    tensor = to_tensor(ROW, spec(scale=1.0, layout=Layout.NHWC))
    assert tensor.shape == (1, 1, 2, 3)
    assert tensor[0, 0, 1].tolist() == [30.0, 20.0, 10.0]


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("mode", ResizeMode)
def test_every_mode_and_layout_gives_a_contiguous_float32_batch_of_one(mode, layout):
    pixels = np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    tensor = to_tensor(pixels, PreprocessingSpec(height_px=8, width_px=16, mode=mode, layout=layout))
    assert tensor.shape == ((1, 3, 8, 16) if layout is Layout.NCHW else (1, 8, 16, 3))
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous


def test_area_averages_what_nearest_picks():
    pixels = np.array([[[0, 0, 0], [100, 100, 100]], [[100, 100, 100], [200, 200, 200]]], np.uint8)
    one = {"height_px": 1, "width_px": 1, "scale": 1.0}
    assert to_tensor(pixels, spec(**one, kernel=ResizeKernel.AREA))[0, 0, 0, 0] == 100.0
    assert to_tensor(pixels, spec(**one, kernel=ResizeKernel.NEAREST))[0, 0, 0, 0] == 0.0


def test_letterbox_pads_and_leaves_the_odd_remainder_at_the_bottom():
    pixels = np.full((2, 4, 3), 200, np.uint8)
    tensor = to_tensor(pixels, spec(height_px=5, width_px=4, scale=1.0, mode=ResizeMode.LETTERBOX, pad_value=7))
    assert tensor[0, 0, :, 0].tolist() == [7.0, 200.0, 200.0, 7.0, 7.0]


def test_centre_crop_takes_the_middle():
    pixels = np.zeros((2, 6, 3), np.uint8)
    pixels[:, 2:4] = 90
    tensor = to_tensor(pixels, spec(height_px=2, width_px=2, scale=1.0, mode=ResizeMode.CENTRE_CROP))
    assert (tensor == 90.0).all()


def test_a_long_thin_picture_is_cropped_before_it_grows():
    pixels = np.zeros((1, 200_000, 3), np.uint8)
    assert to_tensor(pixels, spec(height_px=64, width_px=64, mode=ResizeMode.CENTRE_CROP)).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("fields", [{"mean": (0.0,)}, {"std": (1.0, 0.0, 1.0)}])
def test_a_spec_that_cannot_be_computed_is_an_error(fields):
    with pytest.raises(ValueError, match="mean and std"):
        to_tensor(ROW, spec(**fields))


@pytest.mark.parametrize("extension", [".png", ".bmp"])
def test_lossless_files_decode_to_the_same_pixels(extension):
    pixels = np.random.default_rng(2).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    content = cv2.imencode(extension, pixels)[1].tobytes()
    assert np.array_equal(decode(content), pixels)
    assert size_from_header(content) == (9, 7)


def test_a_grey_file_decodes_to_three_equal_channels():
    pixels = decode(png(np.full((3, 3), 77, np.uint8)))
    assert pixels.shape == (3, 3, 3)
    assert (pixels == 77).all()


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp"])
def test_a_file_cut_off_anywhere_is_refused(extension):
    pixels = np.random.default_rng(3).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    content = cv2.imencode(extension, pixels)[1].tobytes()
    for kept in range(0, len(content) - 2, 7):
        with pytest.raises(NotAnImage):
            decode(content[:kept])


def test_a_huge_picture_is_refused_by_its_header():
    bomb = bytearray(png(np.zeros((2, 2, 3), np.uint8)))
    struct.pack_into(">II", bomb, 16, 30_000, 30_000)
    assert IMAGE_PIXELS_MAX < 30_000**2
    with pytest.raises(NotAnImage, match="pixels"):
        decode(bytes(bomb))


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a" + b"x" * 50, b"\xff\xd8\xff" + b"x" * 60 + b"\xff\xd9", b"%PDF-1.4"]
)
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(NotAnImage):
        decode(content)


def test_random_damage_gives_pixels_or_a_refusal_and_nothing_else():
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    for extension in (".png", ".jpg", ".bmp"):
        good = cv2.imencode(extension, pixels)[1].tobytes()
        for _ in range(150):
            damaged = bytearray(good)
            damaged[rng.integers(len(good))] ^= 1 << rng.integers(8)
            try:
                assert decode(bytes(damaged)).dtype == np.uint8
            except NotAnImage:
                continue


def computed_per_pixel(pixels, wanted_spec):
    """The promise of `to_tensor` written out: every pixel in float32."""
    ordered = pixels[:, :, ::-1] if wanted_spec.colour_order is ColourOrder.RGB else pixels
    if wanted_spec.colour_order is ColourOrder.GREY:
        ordered = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[:, :, np.newaxis]
    mean, std = (np.array(numbers[: ordered.shape[2]], np.float32) for numbers in (wanted_spec.mean, wanted_spec.std))
    values = (ordered.astype(np.float32) * np.float32(wanted_spec.scale) - mean) / std
    return (values.transpose(2, 0, 1) if wanted_spec.layout is Layout.NCHW else values)[np.newaxis]


triples = st.tuples(*[st.floats(-300, 300, width=32)] * 3)


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    scale=st.floats(-4, 4),
    mean=triples,
    std=triples.filter(all),
    colour_order=st.sampled_from(ColourOrder),
    layout=st.sampled_from(Layout),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_value_is_to_the_bit_what_it_is_when_computed_per_pixel(size, seed, **fields):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    one = PreprocessingSpec(height_px=size[0], width_px=size[1], **fields)
    with np.errstate(over="ignore"):
        tensor, wanted = to_tensor(pixels, one), computed_per_pixel(pixels, one)
    assert tensor.flags.c_contiguous
    assert tensor.shape == wanted.shape
    assert tensor.tobytes() == wanted.tobytes()
