"""Every layer of a model, how layers are connected, and what each one receives."""
