"""How does an experiment's answer change over a grid of its options?"""
