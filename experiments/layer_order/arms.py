"""Orders of convolution, BatchNorm and activation. Imports nothing heavy."""

ORDERS = ("conv-bn-relu", "conv-relu-bn", "bn-relu-conv")  # as tfbn.models has them

EFFECT, COST, BIASED = "effect of the bias", "cost of the bias", "+bias"


def is_usual(network: str, order: str) -> bool:
    """Whether an order gives the same network as conv-bn-relu.

    Pre-activation does in a plain network: both are one chain of convolution, BatchNorm, ReLU.
    """
    return network.startswith("plain") and order == "bn-relu-conv"
