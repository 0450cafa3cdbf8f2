"""How a comparison with another program is recorded: as numbers for ``bench.json``, and on the screen."""

from __future__ import annotations

from typing import Any


def record(benchmark: Any, peer: str, ratio: float, target: float, **more: Any) -> bool:
    """Note how many times faster than ``peer`` we are, what was aimed at, and whether it is met, which is returned.

    The aims are for a machine that does nothing else: whether they are met is shown and is not a reason to fail.
    """
    met = bool(ratio >= target)
    benchmark.extra_info.update(peer=peer, ratio=float(ratio), target=target, met=met, **more)
    print(f"\n{ratio:.1f} times as fast as {peer}, target {target:g}: {'met' if met else 'not met'}")
    return met
