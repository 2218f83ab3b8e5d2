"""Linear heads trained to convergence, to score features."""

import functools
from typing import Any

import numpy as np

from tfbn.utils.validation import InputError

_MOST_STEPS = 5000  # of L-BFGS, which stops long before this
_JITTER = 1e-9  # of the mean of a Gram matrix's diagonal, so that it has a Cholesky factor


def check_scikit_learn() -> None:
    """Raises `InputError` if scikit-learn, which trains the heads, is not installed."""
    try:
        import sklearn.linear_model  # noqa: F401
    except ImportError:
        raise InputError(
            "Expected scikit-learn, for the heads (pip install tfbn[experiments]). Received: none"
        ) from None


def right(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> np.ndarray:
    """Whether a logistic regression on standardized features is right, for each test example.

    If there are fewer examples than features, the head is fitted in the span of the examples, which
    gives the same head in a fraction of the time (the L2 penalty is invariant to rotations).

    Args:
        train_x: Features, shape `(n, channels)`.
        train_y: Labels, shape `(n,)`.
        test_x: Features, shape `(m, channels)`.
        test_y: Labels, shape `(m,)`.

    Returns:
        Bool, shape `(m,)`.

    Example:

    >>> x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> right(x, np.array([0, 0, 1, 1]), x, np.array([0, 0, 1, 0])).tolist()
    [True, True, True, False]
    """
    from sklearn.linear_model import LogisticRegression

    mean, deviation = train_x.mean(0, np.float64), train_x.std(0, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1.0)
    inside, outside = ((x - mean) / scale for x in (train_x, test_x))
    with _thread_pools().limit(limits=1):  # the matrices are small: threads would only wait for each other
        if len(inside) < inside.shape[1]:
            inside, outside = _in_span(inside, outside)
        head = LogisticRegression(max_iter=_MOST_STEPS).fit(inside, train_y)
        return head.predict(outside) == test_y


@functools.cache
def _thread_pools() -> Any:
    """The process's thread pools; finding them takes half as long as a small head."""
    from threadpoolctl import ThreadpoolController  # scikit-learn needs it

    return ThreadpoolController()


def _in_span(inside: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Projects both onto an orthonormal basis of the first's rows, by Cholesky of their Gram matrix."""
    gram = inside @ inside.T
    gram[np.diag_indices_from(gram)] += _JITTER * gram.diagonal().mean() + np.finfo(np.float64).tiny
    factor = np.linalg.cholesky(gram)
    return factor, np.linalg.solve(factor, inside @ outside.T).T


def held_out_parts(labels: np.ndarray, parts: int, seed: int) -> list[np.ndarray]:
    """Divides positions into this many parts, stratified by class.

    Example:

    >>> [len(part) for part in held_out_parts(np.array([0, 0, 0, 0, 1, 1]), 2, seed=0)]
    [3, 3]
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]  # sorted by class and dealt like cards
    return [rng.permutation(by_class[part::parts]) for part in range(parts)]


def cross_validated(x: np.ndarray, y: np.ndarray, parts: int, seed: int) -> float:
    """Cross-validated accuracy: each head is trained on the other parts."""
    folds: list[Any] = held_out_parts(y, parts, seed)
    found = []
    for held_out in folds:
        rest = np.setdiff1d(np.arange(len(y)), held_out)
        if len(np.unique(y[rest])) > 1:
            found.append(right(x[rest], y[rest], x[held_out], y[held_out]))
    return float(np.concatenate(found).mean()) if found else 0.0
