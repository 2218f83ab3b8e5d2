"""Which BatchNorm mode should I choose for my frozen network and my data?"""
