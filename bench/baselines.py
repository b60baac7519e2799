"""Real skopeo, called as others call it: ``python -m bench.baselines dregsy|sync WORK.json``.

``dregsy``: list the tags, then copy one after the other, as dregsy's skopeo relay does. ``sync``: `skopeo sync`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def main() -> None:
    way, path = sys.argv[1:]
    work = json.loads(Path(path).read_text())
    for repository in work["repositories"]:
        source, target = f"{work['source']}/{repository}", f"{work['target']}/{repository}"
        if way == "sync":
            folder = target.rpartition("/")[0]
            _skopeo("sync", "--src", "docker", "--dest", "docker", *_PLAIN, source, folder)
            continue
        for tag in json.loads(_skopeo("list-tags", "--tls-verify=false", f"docker://{source}"))["Tags"]:
            _skopeo("copy", *_PLAIN, f"docker://{source}:{tag}", f"docker://{target}:{tag}")


_PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")


def _skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", "--insecure-policy", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
