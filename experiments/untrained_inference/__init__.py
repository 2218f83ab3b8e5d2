"""What does a BatchNorm that never trained do in inference mode, and how soon is it usable?"""
