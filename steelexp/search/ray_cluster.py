"""Ray, quietly: joining a cluster or starting one here, and what each trial gets of it."""

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from steelexp.command_line import install_line
from steelexp.errors import UserError

OBJECT_STORE = 100_000_000
"""Bytes of shared memory that a Ray of our own takes: trials hand over a few numbers each."""


class Node(NamedTuple):
    """What a machine of the cluster offers."""

    cores: float
    gpus: float


class Place(NamedTuple):
    """Where a worker is to feel at home: what it has of the driver's surroundings.

    Attributes:
        folder: the driver's; relative paths start there.
        environment: the driver's variables of this project.
        gpus: Number of GPUs for a trial; a share below 1 is allowed.
    """

    folder: Path
    environment: Mapping[str, str]
    gpus: float

    @classmethod
    def here(cls, *, gpus: float) -> "Place":
        """The driver's own."""
        ours = {name: text for name, text in os.environ.items() if name.startswith("STEELEXP_")}
        return cls(Path.cwd(), ours, gpus)

    def settle(self) -> None:
        """Make this process feel at home; a machine's own variables are left as they are."""
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise UserError(
                f"{os.uname().nodename}: {error.strerror}: {self.folder}; every machine of the "
                "cluster needs the folder that the search was started in, at the same path"
            ) from None
        for name, text in self.environment.items():
            os.environ.setdefault(name, text)
        if not self.gpus:  # Ray leaves all of them in sight
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def connected(address: str | None, *, show: bool = False) -> Any:
    """Ray, quiet and without reports of its use.

    Args:
        address: HOST:PORT of a cluster, or auto; None: this machine alone.
        show: whether what workers say is shown here.

    Raises:
        UserError: Ray is not installed, or not at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError:
        raise UserError(f"--executor ray needs Ray: {install_line('ray')}") from None
    _check_listener(address)
    own: dict[str, Any] = {
        "include_dashboard": False,
        "num_cpus": _cores_here(),
        "object_store_memory": OBJECT_STORE,
    }
    hook = {"worker_process_setup_hook": f"{__name__}.{quieten.__name__}"}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=show,
            logging_level=logging.ERROR,
            runtime_env=hook if show else None,
            **({} if address else own),
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(f"no Ray at {address or 'this machine'}: {error}") from None
    return ray


def quieten() -> None:
    """In each of Ray's processes whose output is shown: drop what is neither an error nor ours.

    Ray Train reports its own progress, and once a second that there is no dashboard to ask.
    """
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    # It has a level of its own.
    cleaner = "ray.train.v2._internal.execution.controller.placement_group_cleaner"
    logging.getLogger(cleaner).setLevel(logging.ERROR)


def _check_listener(address: str | None) -> None:
    """Ask for the cluster at an address; Ray itself would do so for over five minutes."""
    if address in (None, "auto"):
        return
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise UserError(
            f"address: {address}: HOST:PORT of the cluster's head, as `ray start` prints it, or "
            "auto on a machine of the cluster"
        )
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise UserError(f"no Ray at {address}: {error.strerror or error}") from None


def _cores_here() -> int | None:
    """Cores that a scheduler left this process; None where it has all that Ray finds."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return None if allowed == os.cpu_count() else allowed


def nodes(ray: Any) -> list[Node]:
    """What the machines of the cluster offer at present."""
    offers = [each["Resources"] for each in ray.nodes() if each["Alive"]]
    return [Node(offer.get("CPU", 0), offer.get("GPU", 0)) for offer in offers]


def gpus_for_each(nodes: Sequence[Node], wanted: float | None) -> float:
    """What each trial gets of the GPUs."""
    if wanted is None:
        return 1 if any(node.gpus >= 1 for node in nodes) else 0
    if wanted < 0 or (wanted > 1 and wanted != int(wanted)):
        raise UserError(f"gpus_per_trial: {wanted:g}: 0, a share below 1, or a whole number")
    return wanted


def cores_for_each(nodes: Sequence[Node], workers: int, gpus: float) -> int:
    """The most cores that each of `workers` trials can have at once, all on one machine."""
    for cores in range(int(max(node.cores for node in nodes)), 0, -1):
        if sum(_room(node, cores, gpus) for node in nodes) >= workers:
            return cores
    room = sum(_room(node, 1, gpus) for node in nodes)
    offered = ", ".join(f"{node.cores:g} cores and {node.gpus:g} GPUs" for node in nodes)
    raise UserError(
        f"workers: {workers}: there is room for {room} trials at once with a core and {gpus:g} "
        f"GPUs each ({offered}); ask for fewer workers, or for another share of a GPU"
    )


def _room(node: Node, cores: int, gpus: float) -> int:
    """How many trials fit on a machine."""
    fitting = int(node.cores // cores)
    if not gpus:
        return fitting
    # A share of a GPU lies on one GPU.
    by_gpu = int(node.gpus // gpus) if gpus >= 1 else int(node.gpus) * int(1 / gpus)
    return min(fitting, by_gpu)
