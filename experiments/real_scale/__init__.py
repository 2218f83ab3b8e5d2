"""The main question at real scale: an ImageNet network, targets of other kinds, rules fixed beforehand."""
