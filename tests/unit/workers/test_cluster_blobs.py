"""What workers tell each other of blobs is a hint: nothing hangs on it."""

from __future__ import annotations

import asyncio
from typing import Any

from workers.cluster_blobs import ClusterBlobs


class Index:
    """Answers as it is told to, one call after the other."""

    def __init__(self, *answers: list[tuple[str, ...]] | Exception) -> None:
        self._answers = list(answers)

    def find(self, wanted: list[tuple[str, str]]) -> list[tuple[str, ...]]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_an_answer_that_nobody_can_read_keeps_nobody_waiting() -> None:
    index: Any = Index(UnicodeDecodeError("utf-8", b"x", 0, 1, "damaged"), [("lib/app",)])
    blobs = ClusterBlobs(index)
    asked = (blobs.find("r.example", [f"sha256:{n}"]) for n in range(3))
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [UnicodeDecodeError] * 3
        assert await blobs.find("r.example", ["sha256:7"]) == {"sha256:7": ("lib/app",)}, "the next one is asked"


async def test_a_redis_that_does_not_answer_knows_nothing() -> None:
    index: Any = Index(ConnectionError())
    async with asyncio.timeout(10):
        assert await ClusterBlobs(index).find("r.example", ["sha256:7"]) == {}
