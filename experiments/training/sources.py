"""The sources of the claims that experiments test, with quotes."""

from ..lab.verdicts import Citation

_GUIDE = "https://keras.io/guides/transfer_learning/"
_BATCHNORM = "https://arxiv.org/abs/1502.03167"
_RESIDUAL = "https://arxiv.org/abs/1512.03385"
_CS231N = "https://cs231n.github.io/transfer-learning/"

KERAS_INFERENCE = Citation(
    "Keras's guide to transfer learning",
    _GUIDE,
    "Otherwise the updates applied to the non-trainable weights will suddenly destroy what the model has "
    "learned.",
)
KERAS_FLAG = Citation(
    "Keras's guide to transfer learning",
    _GUIDE,
    "it is still running in inference mode since we passed training=False when calling it when we built the "
    "model",
)
KERAS_TRAINABLE = Citation(
    "Keras's documentation of BatchNormalization",
    "https://keras.io/api/layers/normalization_layers/batch_normalization/",
    "setting trainable = False on the layer means that the layer will be subsequently run in inference mode",
)
FASTER = Citation(
    "Ioffe and Szegedy, 2015",
    _BATCHNORM,
    "Batch Normalization achieves the same accuracy with 14 times fewer training steps",
)
LARGER_RATES = Citation(
    "Ioffe and Szegedy, 2015",
    _BATCHNORM,
    "Batch Normalization allows us to use much higher learning rates and be less careful about "
    "initialization.",
)
NO_DROPOUT = Citation(
    "Ioffe and Szegedy, 2015",
    _BATCHNORM,
    "It also acts as a regularizer, in some cases eliminating the need for Dropout.",
)
BEFORE_RELU = Citation(
    "Ioffe and Szegedy, 2015",
    _BATCHNORM,
    "We add the BN transform immediately before the nonlinearity",
)
NO_BIAS = Citation(
    "Ioffe and Szegedy, 2015",
    _BATCHNORM,
    "the bias b can be ignored since its effect will be canceled by the subsequent mean subtraction",
)
RENORMALIZATION = Citation(
    "Ioffe, 2017",
    "https://arxiv.org/abs/1702.03275",
    "Models trained with Batch Renormalization perform substantially better than batchnorm when training "
    "with small or non-i.i.d. minibatches.",
)
HEALTHY_GRADIENTS = Citation(
    "He et al., 2015",
    _RESIDUAL,
    "We also verify that the backward propagated gradients exhibit healthy norms with BN.",
)
DEGRADATION = Citation(
    "He et al., 2015",
    _RESIDUAL,
    "adding more layers to a suitably deep model leads to higher training error",
)
PAST_1000 = Citation(
    "He et al., 2015",
    _RESIDUAL,
    "We explore an aggressively deep model of over 1000 layers. [...] Our method shows no optimization "
    "difficulty",
)
FEW_IMAGES = Citation(
    "Stanford's CS231n notes on transfer learning",
    _CS231N,
    "Since the data is small, it is not a good idea to fine-tune the ConvNet due to overfitting concerns.",
)
MANY_IMAGES = Citation(
    "Stanford's CS231n notes on transfer learning",
    _CS231N,
    "we can have more confidence that we won't overfit if we were to try to fine-tune through the full "
    "network",
)
AFFINE_ONLY = Citation(
    "Kanavati and Tsuneki, 2021",
    "https://github.com/fk128/batchnorm-transferlearning",
    "Fine-tuning only the batch norm affine parameters leads to similar performance as to fine-tuning all of "
    "the model parameters",
)
RANDOM_FEATURES = Citation(
    "Frankle et al., 2021",
    "https://arxiv.org/abs/2003.00152",
    "sufficiently deep ResNets reach 82% (CIFAR-10) and 32% (ImageNet, top-5) accuracy in this configuration",
)
