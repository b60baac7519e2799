"""The situation as text: 80 columns are enough, and nothing of a name gets lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from dregsy_queue.ledger.advice import advice, waiting_advice
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.holds import Hold
from dregsy_queue.ledger.jobs import JobResult
from dregsy_queue.ledger.overview import RegistryOverview
from dregsy_queue.ledger.report import RunReader
from dregsy_queue.ledger.situation import Failure, Situation, in_the_way_of
from dregsy_queue.terminal import clean, flow, lines, moment, plural, span, table

#: Running transfers, causes per task and images that are shown; there may be thousands.
TRANSFERS, CAUSES, IMAGES = 10, 3, 20

Part = RenderableType


def cluster(situation: Situation) -> Iterator[Part]:
    """The whole cluster."""
    yield from _verdict(situation)
    if situation.tasks:
        yield Text()
        yield _tasks(situation)
    for failures in (situation.failures.get(task.name, []) for task in situation.tasks):
        for failure in failures[:CAUSES]:
            yield from _cause(failure, situation, name=_task_of(situation, failure))
    yield from _running(situation, None)
    yield from _waiting(situation, None)
    yield from _holds(situation)
    yield from _roles(situation)
    if situation.registries:
        yield Text()
        yield _registries(situation)


def task(connection: Connection, situation: Situation, name: str) -> Iterator[Part]:
    """One task: how it stands, why images fail, and the images of its newest run."""
    overview = next(found for found in situation.tasks if found.name == name)
    run = overview.newest
    yield from lines(f"{clean(name)}: {situation.state_of(overview)}", style="bold")
    if problems := in_the_way_of(name, situation):
        yield from lines("WRONG: " + "; ".join(map(clean, problems)), style="bold red")
    if run:
        counts = [f"{run.copied} copied", f"{run.up_to_date} up to date", f"{run.failed} failed"]
        counts += [f"{run.cancelled} cancelled"] if run.cancelled else []
        counts += [f"{run.open} open"] if run.open else []
        ended = f"ended {moment(run.ended, situation.now)} after {span(run.seconds)}" if run.done else "has not ended"
        yield from lines(f"run {clean(run.run)} of {moment(run.started, situation.now)} {ended}")
        yield from lines(", ".join(counts))
        if run.empty:
            yield from lines("its mappings select no image: dregsy plan shows what each filter leaves")
    following = situation.next_run_of(overview) or "none"
    good = f"{span(situation.now - overview.last_good)} ago" if overview.last_good else "never"
    yield from lines(f"lag {overview.lag_text}; last run without failures: {good}; next run: {following}")
    for failure in situation.failures.get(name, []):
        yield from _cause(failure, situation, name="")
    if situation.failures.get(name):
        yield Text()
        yield from lines(f"Once it is fixed: dregsy retry {_quoted(name)}", style="bold")
    yield from _running(situation, name)
    yield from _waiting(situation, name)
    if run:
        yield from _images(list(RunReader(connection).results(run.run)), run.run)


def _verdict(situation: Situation) -> Iterator[Part]:
    verdict = situation.verdict
    if verdict.good:
        yield from lines("good: " + "; ".join([*map(clean, verdict.facts), "Redis answers"]), style="green")
        return
    yield from lines("WRONG: " + "; ".join(map(clean, verdict.problems)), style="bold red")
    yield from lines("; ".join([*map(clean, verdict.facts), "Redis answers"]), indent="       ")


def _tasks(situation: Situation) -> RenderableType:
    rows: list[Sequence[str | Text]] = []
    for found in situation.tasks:
        run = found.newest
        state = situation.state_of(found)
        style = "red" if found.failing and not found.left else "yellow" if found.hold else ""
        counts = (str(n) for n in ((run.copied, run.up_to_date, run.failed, run.open) if run else ("", "", "", "")))
        next_run = situation.next_run_of(found)
        rows.append((clean(found.name), Text(state, style=style), *counts, found.lag_text, next_run))
    headers = ("task", "state", "copied", "same", "failed", "open", "lag", "next run")
    return table(headers, rows, left=(0, 1))


def _task_of(situation: Situation, failure: Failure) -> str:
    return next(name for name, failures in situation.failures.items() if failure in failures)


def _cause(failure: Failure, situation: Situation, *, name: str) -> Iterator[Part]:
    cause = failure.cause
    head = f"{clean(name)}: " if name else ""
    what = f"{cause.number} images fail" if cause.number > 1 else f"{clean(cause.target or cause.source)} fails"
    what = "it cannot be planned" if cause.stops_run else what
    since = f" since {moment(failure.since, situation.now)}" if failure.since else ""
    tries = f", {plural(cause.attempts, 'attempt')}" if cause.attempts else ""
    yield Text()
    yield from lines(f"{head}{what}{since}{tries}:", style="red")
    yield from lines(clean(cause.text), indent="  ")
    if cause.number > 1:
        yield from lines(f"one of them: {clean(cause.source)}", indent="  ")
    if advised := advice(cause.text):
        yield from lines(f"→ {advised}", indent="  ")


def _running(situation: Situation, only: str | None) -> Iterator[Part]:
    running = [job for job in situation.running if only is None or job.task == only]
    if not running:
        return
    yield Text()
    yield from lines(f"{plural(len(running), 'transfer')} running", style="bold")
    for job in running[:TRANSFERS]:
        took = span(situation.now - job.started)
        far = "" if job.begins(situation.now) else flow(job.bytes, job.rate) + "  "
        yield from lines(f"{took:>6}  {far}{clean(job.worker)}  {clean(job.source)} → {clean(job.target)}", hang=8)
    if len(running) > TRANSFERS:
        yield from lines(f"… and {len(running) - TRANSFERS} more", indent="  ")


def _waiting(situation: Situation, only: str | None) -> Iterator[Part]:
    waiting = situation.waiting_by_reason
    if only is not None:
        waiting = [found for found in situation.waiting if found.task == only]
    if not waiting:
        return
    yield Text()
    yield from lines("waiting", style="bold")
    for found in waiting:
        left = f", in {span(found.seconds)}" if found.seconds is not None else ""
        yield from lines(f"{found.number:>6}  {clean(found.task)}: {clean(found.why)}{left}", hang=8)
        if advised := waiting_advice(found.why):
            yield from lines(f"→ {advised}", indent="        ")


def _holds(situation: Situation) -> Iterator[Part]:
    held = [(f"task {task.name}", task.hold) for task in situation.tasks if task.hold]
    held += [(f"registry {registry.name}", registry.hold) for registry in situation.registries if registry.hold]
    if held:
        yield Text()
        yield from lines("paused by operators", style="bold")
    for name, hold in held:
        left = f", for {span(hold.until - situation.now)} more" if hold.until else ""
        reason = f": {clean(hold.reason)}" if hold.reason else ""
        yield from lines(f"{clean(name)} since {moment(hold.since, situation.now)}{left}{reason}", indent="  ")


def _roles(situation: Situation) -> Iterator[Part]:
    rows = [
        (
            role.name,
            ("leads" if role.leads else "stands by") if role.lives else Text("lost", style="red"),
            Text("broken", style="red") if role.error else role.config[:8],
        )
        for role in situation.schedulers
    ]
    if rows:
        yield Text()
        yield table(("scheduler", "state", "config"), rows, left=(0, 1, 2))
    configs = {role.name: role for role in situation.worker_roles}
    workers = []
    for worker in situation.workers:
        role = configs.get(worker.name)
        takes = "nothing more (ends)" if worker.draining else ", ".join(worker.kinds)
        config = Text("broken", style="red") if role and role.error else role.config[:8] if role else ""
        workers.append((worker.name.partition("#")[0], f"{worker.running} of {worker.slots}", takes, config))
    lost = [(name.partition("#")[0], Text("lost", style="red"), "", "") for name in situation.lost_workers]
    if workers or lost:
        yield Text()
        yield table(("worker", "running", "takes", "config"), [*workers, *lost], left=(0, 1, 2, 3))


def _registries(situation: Situation) -> RenderableType:
    rows = []
    for found in situation.registries:
        limit = f" of {found.max_concurrent}" if found.max_concurrent is not None else ""
        window = f"{found.started} of {found.transfers}" if found.transfers is not None else ""
        quota = "" if found.quota_left is None else str(found.quota_left)
        rows.append((found.name, f"{found.using}{limit}", window, _paused(found, situation), quota, found.level_text))
    headers = ("registry", "transfers", "in window", "paused", "pulls left", "level")
    # Most have none.
    number = len(headers) - (not any(found.level_text for found in situation.registries))
    return table(headers[:number], [row[:number] for row in rows], left=(0, 3, 5))


def _paused(registry: RegistryOverview, situation: Situation) -> Text:
    if registry.hold:
        return Text(_held(registry.hold, situation), style="yellow")
    return Text(f"for {span(registry.paused)}", style="yellow") if registry.paused else Text()


def _held(hold: Hold, situation: Situation) -> str:
    return f"by hand for {span(hold.until - situation.now)}" if hold.until else "by hand"


def _images(results: Sequence[JobResult], run: str) -> Iterator[Part]:
    """What is not well first; then the others."""
    order = ("failed", "running", "admitted", "waiting", "cancelled", "copied", "up-to-date")
    ranks = {status: rank for rank, status in enumerate(order)}
    shown = sorted(results, key=lambda result: (ranks.get(result.status, 9), result.source, result.target))
    if not shown:
        return
    yield Text()
    rows = []
    for result in shown[:IMAGES]:
        status = Text(result.status, style="red" if result.status == "failed" else "")
        rows.append((result.target or result.source, status, str(result.attempts or ""), _took(result)))
    yield table(("image", "state", "attempts", "took"), rows, left=(0, 1))
    if len(shown) > IMAGES:
        yield from lines(f"… and {len(shown) - IMAGES} more: dregsy jobs {clean(run)}")


def _took(result: JobResult) -> str:
    return f"{result.seconds:.1f} s" if result.seconds else ""


def _quoted(name: str) -> str:
    plain = all(char.isalnum() or char in "._-" for char in name)
    return name if plain else "'" + clean(name).replace("'", "'\\''") + "'"
