"""The package that touches private names of Keras: one small function for each; no other file has any.

Only names without a public counterpart in Keras 3.8 to 3.16 are here, each with its purpose and the
first version that has it, so that a Keras release that moves one of them affects this package alone.
`tests/graph/test_keras_internals.py` names the behavior that each function relies on, and
`tests/test_layering.py` holds that no other file reaches for a private name.

Public names that look sufficient, and why they are not:

- `Layer.layers` does not exist; only models have it, and a Functional model's leaves out the
  layers that are attributes (`layers.tracked_layers`).
- `Layer.trainable_variables` includes the variables of sublayers, and leaves out what is frozen
  (`layers.own_trainable_variables`).
- `Model.get_compile_config` gives serialized copies, so a loss that is a custom function is lost
  (`trainers.compile_arguments`).
"""
