"""A page in a real browser, driven as a person would: read, click, fill in. Over Chrome's DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.lab.browser import FLAGS
from tests.lab.processes import wait_until

#: Seconds for an answer of the browser.
PATIENCE = 60


class Tab:
    """One tab of a Chromium of its own; a context manager. `phone`: a touch screen whose pixels are dense."""

    def __init__(
        self, folder: Path, *, width: int = 1100, height: int = 900, phone: bool = False, scripts: bool = True
    ) -> None:
        self._profile = folder / f"profile-{width}-{phone}-{scripts}"
        self._size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self._scripts = scripts
        #: addresses that were asked for since it was opened
        self.requests: list[str] = []
        self._number = 0
        self._loaded = False

    def __enter__(self) -> Self:
        command = ["chromium", *FLAGS, f"--user-data-dir={self._profile}", "--remote-debugging-port=0", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._loop = asyncio.new_event_loop()
        try:
            told = self._profile / "DevToolsActivePort"
            wait_until(lambda: told.exists() and "\n" in told.read_text(), PATIENCE, "the browser")
            self._loop.run_until_complete(self._connect(told.read_text().splitlines()[0]))
            for domain in ("Page", "Network", "Runtime"):
                self._call(f"{domain}.enable")
            self.resize(int(self._size["width"]))
            self._call("Emulation.setScriptExecutionDisabled", value=not self._scripts)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_session"):
            self._loop.run_until_complete(self._session.close())
        self._loop.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def resize(self, width: int) -> None:
        self._size["width"] = width
        self._call("Emulation.setDeviceMetricsOverride", **self._size)

    def open(self, url: str) -> None:
        """Returns when it has loaded."""
        self._loaded = False
        self._call("Page.navigate", url=url)
        self.wait_for_load()

    def wait_for_load(self) -> None:
        wait_until(lambda: self.evaluate("document.readyState") == "complete" and self._loaded, PATIENCE, "the page")

    def evaluate(self, expression: str) -> Any:
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def text(self) -> str:
        """What a person reads."""
        return str(self.evaluate("document.body.innerText"))

    def fill(self, selector: str, text: str) -> None:
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """With a mouse; returns when the page that follows has loaded."""
        where = self.evaluate(
            f"(e => {{ e.scrollIntoView(); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2]; }})(document.querySelector({json.dumps(selector)}))"
        )
        self._loaded = False
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)
        self.wait_for_load()

    def offline(self, cut: bool) -> None:
        """Whether the browser has no network."""
        self._call(
            "Network.emulateNetworkConditions", offline=cut, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    def screenshot(self, to: Path) -> None:
        """The whole page, as long as it is."""
        whole = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {**{side: whole[side] for side in ("x", "y", "width", "height")}, "scale": 1}
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        to.write_bytes(base64.b64decode(shot["data"]))

    async def _connect(self, port: str) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [target for target in await answer.json() if target["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._loop.run_until_complete(asyncio.wait_for(self._ask(method, parameters), PATIENCE))

    async def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            self._note(message)
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                answer: dict[str, Any] = message["result"]
                return answer

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        self._loaded |= message.get("method") == "Page.loadEventFired"
