"""Which proxy a request goes through: the rules of Go's golang.org/x/net/http/httpproxy."""

from __future__ import annotations

import pytest
from yarl import URL

from dregsy_queue.registry.proxies import proxy_for

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("excluded", "url", "direct"),
    [
        ("", "https://a.example/v2/", False),
        ("*", "https://a.example/", True),
        (" b.example , a.example ", "https://a.example/", True),
        ("A.Example", "https://a.EXAMPLE/", True),
        # a domain holds for its subdomains; with a dot in front for these alone
        ("example", "https://a.example/", True),
        ("a.example", "https://b.a.example/", True),
        ("a.example", "https://ba.example/", False),
        (".a.example", "https://a.example/", False),
        (".a.example", "https://b.a.example/", True),
        ("*.a.example", "https://a.example/", False),
        ("*.a.example", "https://b.a.example/", True),
        ("*a.example", "https://a.example/", False),
        # ports: the scheme's own counts
        ("a.example:443", "https://a.example/", True),
        ("a.example:5000", "https://a.example/", False),
        ("a.example:5000", "https://b.a.example:5000/", True),
        (":443", "https://a.example/", False),
        # addresses and blocks
        ("10.0.0.1", "https://10.0.0.1/", True),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/", True),
        ("10.0.0.1:5000", "https://10.0.0.1/", False),
        ("10.0.0.0/8", "https://10.1.2.3:5000/", True),
        ("10.9.9.9/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.0.0.1/", False),
        ("10.0.0.0/8", "https://a.example/", False),
        ("10", "https://10.1.2.3/", False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("fd00::1", "https://[fd00::1]:5000/", True),
        ("[fd00::1]:5000", "https://[fd00::1]:5000/", True),
        ("[fd00::1]:5000", "https://[fd00::1]/", False),
        # the machine itself, whatever is excluded
        ("", "https://localhost:5000/", True),
        ("", "http://127.0.0.9/", True),
        ("", "http://[::1]:5000/", True),
    ],
)
def test_what_goes_past_the_proxy(excluded: str, url: str, direct: bool) -> None:
    both = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "NO_PROXY": excluded}
    assert proxy_for(URL(url), both) == (None if direct else PROXY)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({"HTTPS_PROXY": PROXY}, "https://a.example/", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://a.example/", None),
        ({"HTTP_PROXY": PROXY}, "https://a.example/", None),
        ({"ALL_PROXY": PROXY}, "https://a.example/", None),
        ({"https_proxy": PROXY}, "https://a.example/", PROXY),
        ({"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower"}, "https://a.example/", "http://upper"),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, "https://a.example/", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://a.example/", PROXY),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "a.example"}, "https://a.example/", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "b.example", "no_proxy": "a.example"}, "https://a.example/", PROXY),
        ({}, "https://a.example/", None),
    ],
)
def test_which_variable_counts(environment: dict[str, str], url: str, proxy: str | None) -> None:
    assert proxy_for(URL(url), environment) == proxy
