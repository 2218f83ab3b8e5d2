"""Conv-BN-ReLU against the alternatives; is a conv bias before BatchNorm without effect?"""
