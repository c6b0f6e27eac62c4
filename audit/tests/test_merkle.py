"""Merkle trees, against the examples of Certificate Transparency."""

import hashlib

import pytest

from audit import merkle

# The leaves and roots of the reference implementation of RFC 6962, for 1 to 8 leaves.
LEAVES = [
    *(b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43"),
    *(b"\x50\x51\x52\x53\x54\x55\x56\x57", bytes(range(0x60, 0x70))),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize(("count", "root"), list(enumerate(ROOTS, 1)))
def test_the_root_is_the_one_of_certificate_transparency(count, root):
    assert merkle.root(LEAVES[:count]).hex() == root


@pytest.mark.parametrize("count", range(1, 20))
def test_each_path_leads_from_its_leaf_to_the_root_and_from_no_other(count):
    leaves = [bytes([number]) for number in range(count)]
    levels = merkle.levels(leaves)

    def end_of(path, leaf):
        found = hashlib.sha256(b"\x00" + leaf).digest()
        for side, sibling in path:
            pair = sibling + found if side == "left" else found + sibling
            found = hashlib.sha256(b"\x01" + pair).digest()
        return found

    for index, leaf in enumerate(leaves):
        path = merkle.path(levels, index)
        assert end_of(path, leaf) == levels[-1][0]
        assert end_of(path, leaf + b"?") != levels[-1][0]
