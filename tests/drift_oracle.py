"""The drift metrics of one layer in float64, channel by channel, written from the formulas."""

import math


def metrics(mean, variance, mean_0, variance_0, epsilon):
    channels = len(mean)
    shift = growth = kl = mean_moved = variance_moved = mean_size = variance_size = 0.0
    for m, v, m0, v0 in zip(mean, variance, mean_0, variance_0, strict=True):
        m, v, m0, v0 = float(m), float(v), float(m0), float(v0)
        s, s0 = math.sqrt(v + epsilon), math.sqrt(v0 + epsilon)
        shift += ((m - m0) / s0) ** 2
        growth += abs(2 * math.log(s) - 2 * math.log(s0))
        # KL of two normal distributions, in the form of the textbooks.
        kl += math.log(s0) - math.log(s) + (s**2 + (m - m0) ** 2) / (2 * s0**2) - 0.5
        mean_moved, mean_size = mean_moved + (m - m0) ** 2, mean_size + m0**2
        variance_moved, variance_size = variance_moved + (v - v0) ** 2, variance_size + v0**2
    return {
        "mean_shift": math.sqrt(shift / channels),
        "log_variance_ratio": growth / channels,
        "kl": kl / channels,
        "mean_l2": math.sqrt(mean_moved / channels) / math.sqrt(mean_size / channels + epsilon),
        "variance_l2": math.sqrt(variance_moved / channels) / (math.sqrt(variance_size / channels) + epsilon),
    }
