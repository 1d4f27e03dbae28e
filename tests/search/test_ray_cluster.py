"""What each trial gets of a cluster, and what is refused; Ray itself is not started."""

import re
import sys

import pytest

from steelexp.errors import UserError
from steelexp.search.ray_cluster import Node, connected, cores_for_each, gpus_for_each


class TestShares:
    @pytest.mark.parametrize(
        ("nodes", "workers", "gpus", "cores"),
        [
            ([Node(2, 0)], 2, 0, 1),
            ([Node(2, 0)], 1, 0, 2),
            ([Node(7, 0)], 2, 0, 3),
            ([Node(10, 0), Node(10, 0)], 3, 0, 5),  # 6 each would leave room for two
            ([Node(0, 0), Node(16, 4), Node(16, 4)], 8, 1, 4),
            ([Node(16, 1), Node(16, 3)], 4, 1, 5),  # the GPUs decide how they are spread
            ([Node(16, 4)], 2, 2, 8),
            ([Node(16, 2)], 4, 0.5, 4),
            ([Node(9, 3)], 9, 1 / 3, 1),
        ],
    )
    def test_of_cores(self, nodes, workers, gpus, cores):
        assert cores_for_each(nodes, workers, gpus) == cores

    @pytest.mark.parametrize(
        ("nodes", "workers", "gpus", "room"),
        [
            ([Node(2, 0)], 3, 0, 2),
            ([Node(16, 2)], 3, 1, 2),
            ([Node(16, 2)], 3, 0.6, 2),  # a share lies on one GPU
            ([Node(16, 3), Node(16, 3)], 3, 2, 2),
        ],
    )
    def test_that_do_not_fit_are_refused(self, nodes, workers, gpus, room):
        with pytest.raises(UserError, match=f"workers: {workers}: there is room for {room} "):
            cores_for_each(nodes, workers, gpus)

    def test_of_gpus(self):
        cpu_only, both = [Node(2, 0)], [Node(0, 0), Node(8, 4)]
        assert gpus_for_each(cpu_only, None) == 0
        assert gpus_for_each(both, None) == 1
        assert gpus_for_each(both, 0) == 0
        assert gpus_for_each(both, 0.25) == 0.25
        for wrong in (-1, 1.5):
            with pytest.raises(UserError, match=f"gpus_per_trial: {wrong}"):
                gpus_for_each(both, wrong)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"-m pip install 'steelexp\[ray\]'"):
        connected(None)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:9", "no Ray at 127.0.0.1:9: Connection refused"),
        ("ray://head:10001", "address: ray://head:10001: HOST:PORT"),
        ("head", "address: head: HOST:PORT"),
    ],
)
def test_a_wrong_address_is_refused_at_once(address, message):
    with pytest.raises(UserError, match=re.escape(message)):
        connected(address)
