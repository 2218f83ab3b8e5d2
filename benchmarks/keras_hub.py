"""A prediction of KerasHub's networks, which have BatchNormalization in layers of their own, and folded."""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tfbn
from benchmarks.common import Row, Way, compare


def efficientnet() -> Any:
    """EfficientNet-B0."""
    import keras_hub

    return keras_hub.models.EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_squeeze_and_excite_ratios=[0.25] * 7,
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        stackwise_block_types=["v1"] * 7,
        stackwise_width_coefficients=[1.0] * 7,
        stackwise_depth_coefficients=[1.0] * 7,
        input_shape=(64, 64, 3),
    )


def hgnetv2() -> Any:
    """The first three stages of HGNetV2, as in its documentation."""
    import keras_hub

    return keras_hub.models.HGNetV2Backbone(
        depths=[1, 2, 4],
        embedding_size=32,
        hidden_sizes=[64, 128, 256],
        stem_channels=[3, 16, 32],
        hidden_act="relu",
        use_learnable_affine_block=False,
        stackwise_stage_filters=[
            (32, 16, 64, 1, 1, 3),
            (64, 32, 128, 2, 1, 3),
            (128, 64, 256, 4, 1, 3),
        ],
        apply_downsample=[False, True, True],
        use_lightweight_conv_block=[False, False, False],
        image_shape=(64, 64, 3),
    )


def mobilenetv5() -> Any:
    """MobileNetV5 as in its documentation, with BatchNormalization."""
    import keras_hub

    zeros = [[0], [0, 0]]
    return keras_hub.models.MobileNetV5Backbone(
        stackwise_block_types=[["er"], ["uir", "uir"]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[24], [48, 48]],
        stackwise_strides=[[2], [2, 1]],
        stackwise_act_layers=[["relu"], ["relu", "relu"]],
        stackwise_exp_ratios=[[4.0], [6.0, 6.0]],
        stackwise_se_ratios=[[0.0], [0.0, 0.0]],
        stackwise_dw_kernel_sizes=[[0], [5, 5]],
        stackwise_dw_start_kernel_sizes=zeros,
        stackwise_dw_end_kernel_sizes=zeros,
        stackwise_exp_kernel_sizes=[[3], [0, 0]],
        stackwise_pw_kernel_sizes=[[1], [0, 0]],
        stackwise_num_heads=zeros,
        stackwise_key_dims=zeros,
        stackwise_value_dims=zeros,
        stackwise_kv_strides=zeros,
        stackwise_use_cpe=[[False], [False, False]],
        use_msfa=False,
        norm_layer="batch_norm",
        image_shape=(64, 64, 3),
    )


NETWORKS: dict[str, Callable[[], Any]] = {
    "EfficientNet-B0": efficientnet,
    "HGNetV2, small": hgnetv2,
    "MobileNetV5, small": mobilenetv5,
}


def run(quick: bool) -> list[Row]:
    if importlib.util.find_spec("keras_hub") is None:
        print("  keras_hub is not installed: left out", flush=True)
        return []
    batch = 2 if quick else 16
    x = keras.ops.convert_to_tensor(
        np.random.default_rng(0).normal(size=(batch, 64, 64, 3)).astype("float32")
    )
    rows = []
    for name, build in NETWORKS.items():
        stock = build()
        folded = tfbn.fold(stock, verbose=False)
        rows += compare(
            f"KerasHub's {name}, 64x64, batch {batch}, prediction",
            Way("stock BatchNormalization", functools.partial(stock.predict_on_batch, x)),
            Way("tfbn.fold", functools.partial(folded.predict_on_batch, x), 1.0),
            rounds=2 if quick else 20,
        )
        keras.backend.clear_session()
    return rows
