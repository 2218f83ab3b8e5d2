"""Ways to put a head on a pretrained base, and to ask for inference mode in the base."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is written.

    Attributes:
        says: One line for tables and the report.
        flag: Whether the base is called as `base(x, training=False)`.
        subclassed: Whether the model is a class with a `call` of its own; else functional.
        passes: Whether that `call` hands its own `training` to the head's layers.
        tfbn: Whether the base's BatchNormalization layers are tfbn's, with `training=False`
            on the layers; else stock.
    """

    says: str
    flag: bool = False
    subclassed: bool = False
    passes: bool = False
    tfbn: bool = False


RECIPES = {
    "no_flag": Recipe("functional, base(x)"),
    "functional": Recipe("the guide's recipe, functional, base(x, training=False)", flag=True),
    "subclassed": Recipe("subclassed, base(x, training=False)", flag=True, subclassed=True),
    "subclassed_passing": Recipe(
        "subclassed, base(x, training=False), training=training to the head",
        flag=True,
        subclassed=True,
        passes=True,
    ),
    "tfbn_functional": Recipe("tfbn.freeze(base, training=False), functional, base(x)", tfbn=True),
    "tfbn_subclassed": Recipe(
        "tfbn.freeze(base, training=False), subclassed, base(x)", subclassed=True, tfbn=True
    ),
}
