"""With frozen layers, what does BatchNorm do with training=True, and what with training=False?"""
