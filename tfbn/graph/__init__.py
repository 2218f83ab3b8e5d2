"""Every layer of a model, how layers are connected, and what each one receives.

Internal, except for the classes and functions that the reference lists, such as `tfbn.traversal`.
"""

import keras  # noqa: F401  whole, before a module that needs it is half loaded
