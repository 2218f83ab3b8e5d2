"""Variables that do not train even where their layer does.

Keras's setter of a layer's `trainable` sets every variable of the layer, and so forgets which of them
were off: a LoRA's kernel would train after a layer was frozen and unfrozen.
"""

import weakref
from typing import Any

from tfbn.graph.keras_internals.layers import own_trainable_variables

# What `enable_lora` switches off, by name.
_LORA_BASES = ("kernel", "embeddings")
# Of frozen layers, what was off while they trained.
_OFF: "weakref.WeakKeyDictionary[Any, list[Any]]" = weakref.WeakKeyDictionary()


def held_variables(layer: Any) -> list[Any]:
    """The variables that a layer itself has and that stay off when it trains.

    To be asked before the layer's `trainable` is set.

    Example:

    >>> layer = keras.layers.Dense(3)
    >>> layer.build((None, 2))
    >>> layer.enable_lora(1)
    >>> [variable.name for variable in held_variables(layer)]
    ['kernel']
    """
    own = own_trainable_variables(layer)
    if layer.trainable:
        _OFF[layer] = [variable for variable in own if not variable.trainable]
    found = {id(variable): variable for variable in _OFF.get(layer, ())}
    if getattr(layer, "lora_enabled", False):
        found |= {id(variable): variable for variable in own if variable.name in _LORA_BASES}
    return list(found.values())
