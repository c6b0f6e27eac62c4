"""Merkle trees as in RFC 6962 (Certificate Transparency): one hash that stands for many leaves.

Leaves and nodes are hashed with different prefixes, so that none can pose as the other. A path
leads from one leaf to the root without telling anything of the other leaves.
"""

import hashlib
from collections.abc import Sequence


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash by which a leaf stands in the tree."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over these leaves, of which there is at least one."""
    return levels(leaves)[-1][0]


def path(levels: Sequence[Sequence[bytes]], index: int) -> list[tuple[str, bytes]]:
    """Return what the leaf at `index` has to be hashed with, in turn, and on which side each
    stands, to come to the root."""
    steps = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):  # the last node of an odd level goes up as it is
            steps.append(("left" if sibling < index else "right", level[sibling]))
        index //= 2
    return steps


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return the hashes of each level of the tree, from the leaves up to the root alone."""
    level = [leaf_hash(leaf) for leaf in leaves]
    found = [level]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(left, right) for left, right in pairs] + odd
        found.append(level)
    return found
