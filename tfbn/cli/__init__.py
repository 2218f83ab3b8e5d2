"""The command `tfbn`. Nothing but absl is imported before the flags are read."""
