"""Every layer of a model, how layers are connected, and what each one receives."""

import keras  # noqa: F401  whole, before a module that needs it is half loaded
