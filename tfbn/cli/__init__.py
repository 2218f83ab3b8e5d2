"""The command `tfbn`. Internal. Nothing but absl is imported before the flags are read."""
