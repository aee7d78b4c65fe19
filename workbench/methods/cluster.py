"""Cluster: the open parts of a search, shared out over the processes of a Dask cluster.

What the parts have in common (the network, its weights, the region's own bounds) goes to every worker once; a task is
a few parts and some seconds to work on them, and gives back a small tree: what it proved, and what is still open.
The search keeps its own copy of every part until the answer to it has come, so that nothing is taken for proved
because a worker was lost: Dask gives the task to another, and a task that is lost for good is open again.

The workers run the same code on the same parts, and each part's bound is a proof by itself: who found it, and in which
order, does not matter to the verdict.  Workers are trusted as this process is: they are its own or its user's.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from time import monotonic
from typing import Any, Protocol

import numpy as np

from workbench.graph import Array
from workbench.methods.progress import Progress
from workbench.methods.tree import Block, Tree

SECONDS = 1.0  # that a task works: long against sending it (milliseconds), short against a person's patience
AHEAD = 2  # tasks under way for each worker's thread: one that runs, one that waits
MANY = 1 << 14  # open parts, from which on the last are worked on first, so that they do not grow
WAIT = 0.2  # seconds between looks at the clock
HELP = (
    "sharing a search out needs the package distributed: pip install 'nnworkbench[cluster]', "
    "or leave `workers` out"
)
_KEPT = threading.local()  # of a worker's thread: what it unpacked last, by key


class Splitting(Protocol):
    """How parts are worked on: `methods.inputs`, `methods.graphsigns` and their like."""

    @property
    def batch(self) -> int:
        """How many parts at once."""

    def work(self, tree: Tree, block: Block) -> Array | None:
        """Bound parts, keep what is proved, put the rest back; an unsafe input where one is found."""


@contextmanager
def crew(workers: int | Any | None) -> Iterator[Crew | None]:
    """Who helps with a search.

    Parameters
    ----------
    workers : None or 0 for nobody, a number of processes of this machine (started here, and ended), or a
        `distributed.Client`, which is left as it is.

    Raises
    ------
    ImportError
        Where the package `distributed` is missing.
    ValueError
        A negative number of workers, or something that is none.
    """
    if workers is None or (type(workers) is int and workers == 0):
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise ImportError(HELP) from None
    if isinstance(workers, Client):
        yield Crew(workers)
    elif type(workers) is int and workers > 0:
        with Client(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as client:  # type: ignore[no-untyped-call]
            yield Crew(client)
    else:
        raise ValueError(f"workers must be a number of processes or a distributed.Client, not {workers!r}")


class Crew:
    """The workers of a client."""

    def __init__(self, client: Any) -> None:
        self.client = client

    @property
    def threads(self) -> int:
        """How many tasks run at once."""
        return max(1, sum(self.client.nthreads().values()))

    def work(
        self,
        splitting: Splitting,
        tree: Tree,
        deadline: float | None,
        progress: Progress | None,
    ) -> Array | None:
        """Go on with a tree until nothing is open or the time is up; an unsafe input where one is found.

        `progress` may raise; the tree is whole then, as it is after any other end.
        """
        from distributed import CancelledError, wait

        given, key = self._given(splitting)
        out: dict[Any, tuple[Block, int]] = {}
        try:
            while tree.open or out:
                while tree.open and len(out) < AHEAD * self.threads:
                    block = _share(tree, self.threads, splitting.batch)
                    future = self.client.submit(
                        part, given, key, tree.question, block, tree.recorded, tree.near, SECONDS, pure=False
                    )
                    out[future] = block, tree.recorded
                if progress is not None:
                    words = (
                        f"{tree.visited:,} parts, {tree.count + sum(len(b) for b, _ in out.values()):,} open"
                    )
                    progress(min(1.0, tree.done), f"{words}, {self.threads} workers")
                if deadline is not None and monotonic() >= deadline:
                    return None
                with suppress(TimeoutError, CancelledError):  # their status tells
                    wait(list(out), WAIT, "FIRST_COMPLETED")  # type: ignore[no-untyped-call]
                done = [future for future in out if future.status != "pending"]
                for future in done:
                    block, base = out.pop(future)
                    if future.status != "finished":
                        tree.open.append(block)
                        if future.status == "error":
                            _raise(future.exception())
                        given, key = self._given(splitting)  # all that had it were lost
                        continue
                    found, suspect = future.result()
                    _take_in(tree, found, base)
                    if suspect is not None:
                        return np.asarray(suspect)
            return None
        finally:
            tree.open.extend(block for block, _ in out.values())
            self.client.cancel([*out, given], force=True)

    def _given(self, splitting: Splitting) -> tuple[Any, str]:
        """What all parts have in common, sent to every worker, and a name for it."""
        return self.client.scatter(_alone(splitting), broadcast=True, hash=False), uuid.uuid4().hex


def part(
    splitting: Splitting,
    key: str,
    question: str,
    block: Block,
    base: int,
    near: float,
    seconds: float,
) -> tuple[Tree, Array | None]:
    """A task: some seconds of work on some parts; the tree of them, and an unsafe input where one was found."""
    mine = _own(splitting, key)
    tree = Tree(question, [block], near=near, recorded=base)
    end = monotonic() + seconds
    while True:
        now = tree.pop(mine.batch)
        suspect = mine.work(tree, now)
        if suspect is not None:
            tree.open.append(now)
            return tree, suspect
        if not tree.open or monotonic() >= end:
            return tree, None


def _own(splitting: Splitting, key: str) -> Splitting:
    """The thread's own copy: what a search learns on its way is written into it."""
    if getattr(_KEPT, "key", None) != key:
        _KEPT.key, _KEPT.splitting = key, copy.copy(splitting)
    found: Splitting = _KEPT.splitting
    return found


def _alone(splitting: Splitting) -> Splitting:
    """A copy without what belongs to this process: its clock, and whom it tells how far it is."""
    own = copy.copy(splitting)
    for name in ("deadline", "progress"):
        if hasattr(own, name):
            setattr(own, name, None)
    return own


def _share(tree: Tree, threads: int, batch: int) -> Block:
    """Parts for one task: of few the largest and a fair share, of many the last."""
    count = tree.count
    size = max(1, min(batch, -(-count // (AHEAD * threads))))
    if count > MANY:
        return tree.pop(size)
    block = tree.open.pop(0)
    if len(block) > size:
        tree.open.insert(0, block.take(slice(size, len(block))))
        block = block.take(slice(0, size))
    return block


def _take_in(tree: Tree, found: Tree, base: int) -> None:
    """What a task found, its entries of choices numbered as this tree numbers them."""
    shift = tree.recorded - base

    def moved(choice: Array | None) -> Array | None:
        return None if choice is None else np.where(choice >= base, choice + shift, choice)

    tree.choices.extend(found.choices)
    tree.recorded += found.recorded - base
    tree.proved.extend(replace(p, choice=moved(p.choice)) for p in found.proved)
    tree.open.extend(replace(b, choice=moved(b.choice)) for b in found.open)
    tree.visited += found.visited
    tree.leaves += found.leaves
    tree.done += found.done
    tree.near = found.near
    tree.stuck += found.stuck
    tree.stuck_margin = min(tree.stuck_margin, found.stuck_margin)
    tree.neurons = tree.neurons if tree.neurons is not None else found.neurons


def _raise(problem: BaseException) -> None:
    """A fault of the work goes on as it is; so does a part that takes every worker with it, as want of memory."""
    if type(problem).__name__ == "KilledWorker":
        raise MemoryError(f"one worker after another died over the same parts ({problem})")
    raise problem
