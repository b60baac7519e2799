"""Two throwaway registries, a few generated images, and the quickstart config, twice."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.lab.images import push_image, push_index
from tests.lab.registry import Registry

QUICKSTART = Path(__file__).parent.parent / "config" / "quickstart.yaml"
KIB, MIB = 1024, 1024 * 1024


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dregsy-demo-") as name:
        folder = Path(name)
        source, target = Registry(folder / "source"), Registry(folder / "target")
        try:
            source.start()
            target.start()
            say(f"Two registries: the source {source.host}, the target {target.host} (still empty)")
            fill(source)
            config = folder / "quickstart.yaml"
            text = QUICKSTART.read_text().replace("127.0.0.1:5000", source.host)
            config.write_text(text.replace("127.0.0.1:5001", target.host))
            for word in ("First", "Second"):
                say(f"{word} run: dregsy -config={config}")
                code = dregsy(f"-config={config}")
                if code:
                    return code
            say("What the target has now")
            for repository in ("mirror/web", "mirror/api", "mirror/runtime", "mirror/runtime-arm64"):
                print(f"  {target.host}/{repository}: {', '.join(sorted(target.tags(repository)))}")
            if "--keep" in sys.argv:
                keep(config)
            else:
                say("make demo KEEP=1 keeps both registries up, to play with")
            return 0
        except KeyboardInterrupt:
            return 130
        finally:
            source.stop()
            target.stop()


def fill(source: Registry) -> None:
    """A handful of images: several tags, one multi-platform, from kilobytes to tens of megabytes."""
    for version, size in (("1.0.0", 4 * KIB), ("1.1.0", 2 * MIB), ("1.2.0", 8 * MIB)):
        push_image(source, "shop/web", version, size=size, layers=3, seed=f"web-{version}")
        push_image(source, "shop/api", version, size=size // 2, layers=2, seed=f"api-{version}")
    push_image(source, "shop/web", "latest", size=8 * MIB, layers=3, seed="web-1.2.0")
    push_image(source, "shop/api", "latest", size=24 * MIB, layers=4, seed="api-latest")
    push_index(source, "base/runtime", "3.2", platforms=["linux/amd64", "linux/arm64", "linux/arm/v7"])
    print("  filled the source with 9 tags in 3 repositories, one of them for three platforms")


def keep(config: Path) -> None:
    """Wait for Ctrl-C while the registries stay up."""
    program = Path(sys.executable).parent / "dregsy"
    say("Both registries stay up until Ctrl-C. In another terminal:")
    for command in ("plan", "sync"):
        print(f"  {program} {command} {config}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def dregsy(*arguments: str) -> int:
    program = Path(sys.executable).parent / "dregsy"
    return subprocess.run([program, *arguments], check=False).returncode


def say(text: str) -> None:
    print(f"\n\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
