"""What Celery tells of the application to whoever asks: `inspect conf`, `report`, Flower's page of a worker."""

from __future__ import annotations

import pytest

from dregsy_queue.celery import make_app

PASSWORD = "hunter2-Zq81"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{PASSWORD}@127.0.0.1:6379/0",
        f"rediss://dregsy:{PASSWORD}@redis.example:6379/1?ssl_cert_reqs=none",
        f"sentinel://:{PASSWORD}@a:26379;b:26379/0?master_name=m",
    ],
)
def test_redis_password_is_told_to_nobody(url: str) -> None:
    app = make_app(url)
    told = [str(app.conf.table(with_defaults=True)), app.conf.humanize(with_defaults=True), app.bugreport()]
    assert PASSWORD in str(app.conf.broker_url), "it is really in use"
    assert not [text for text in told if PASSWORD in text]


def test_flower_listens_on_this_machine_unless_told_otherwise() -> None:
    import os

    assert os.environ["FLOWER_ADDRESS"] == "127.0.0.1"
