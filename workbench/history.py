"""History: the last selections, back and forward, as a browser keeps pages."""

from __future__ import annotations

Selection = tuple[str | None, int | None]


class History:
    """Two stacks; `visited` is told of every change, those that `back` and `forward` cause included."""

    def __init__(self) -> None:
        self._past: list[Selection] = []
        self._future: list[Selection] = []
        self._expected: Selection | None = None

    def visited(self, old: Selection, new: Selection) -> None:
        """The selection changed; unless by `back` or `forward`, the future is forgotten."""
        if self._expected == new:
            self._expected = None
            return
        self._past.append(old)
        self._future.clear()

    def back(self, now: Selection) -> Selection:
        """What was selected before `now` (or `now`, where there is nothing before)."""
        return self._step(now, self._past, self._future)

    def forward(self, now: Selection) -> Selection:
        """What `back` left."""
        return self._step(now, self._future, self._past)

    def _step(self, now: Selection, source: list[Selection], target: list[Selection]) -> Selection:
        if not source:
            return now
        target.append(now)
        found = source.pop()
        self._expected = found if found != now else None
        return found
