"""The verbs on a cluster: run, retry, cancel, pause, resume, forget."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import click

from dregsy_queue.cli import options
from dregsy_queue.cli.connected import Refused, connected
from dregsy_queue.cli.history import reason_of
from dregsy_queue.cli.lazy import did_you_mean
from dregsy_queue.config.durations import parse_go_duration
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.holds import Held, Holds
from dregsy_queue.ledger.orders import Orders, names_of
from dregsy_queue.ledger.outages import outlast
from dregsy_queue.ledger.overview import Overview
from dregsy_queue.ledger.report import RunCounts, RunReader
from dregsy_queue.ledger.roles import Roles
from dregsy_queue.terminal import clean, lines, plural, span, write

#: Seconds within which somebody must have started an ordered run.
STARTS_WITHIN = 20.0


@click.command(
    epilog="""\b
Examples:
  dregsy run mirror
  dregsy run mirror other --wait && echo all good
"""
)
@click.argument("tasks", nargs=-1, required=True, metavar="TASK…")
@click.option("--wait", is_flag=True, help="Wait until the runs have ended; exit code 1 when an image failed.")
@options.cluster
def run(tasks: Sequence[str], wait: bool) -> None:
    """Run tasks of the cluster's config now, due or not. A run that is active goes on."""
    with connected() as connection:
        for task in tasks:
            _known(connection, task)
            if hold := Holds(connection).all().get(("task", task)):
                why = f": {clean(hold.reason)}" if hold.reason else ""
                raise Refused(f"'{clean(task)}' is paused{why}; first: dregsy resume {clean(task)}")
        orders = Orders(connection)
        ordered = {task: orders.run(task) for task in dict.fromkeys(tasks)}
        started = {task: _await_start(orders, task, order) for task, order in ordered.items()}
        for task, name in started.items():
            click.echo(f"{clean(task)}: run {clean(name)}")
        if wait:
            raise SystemExit(_await_end(connection, list(started.values())))


def _known(connection: Connection, task: str) -> None:
    """A task that the leading scheduler's config does not have is a mistake; without a leader nobody can tell."""
    roles = Roles(connection)
    scheduled, schedulers = roles.scheduled(), roles.list("scheduler")
    if not any(role.lives for role in (*schedulers, *roles.list("worker"))):
        raise Refused("no scheduler and no worker lives: nobody would start it (see dregsy status)")
    if task not in scheduled and any(role.leads and role.lives for role in schedulers):
        near = clean(did_you_mean(task, list(scheduled)))
        raise Refused(f"the config of the leading scheduler has no task '{clean(task)}'.{near}")


def _await_start(orders: Orders, task: str, order: str) -> str:
    deadline = time.monotonic() + STARTS_WITHIN
    while (found := orders.outcome(order)) is None:
        if time.monotonic() > deadline:
            orders.withdraw(task)
            raise Refused(
                f"nobody started '{clean(task)}' within {STARTS_WITHIN:.0f} s: no living scheduler or worker has it in "
                "its config (see dregsy status); the order is withdrawn"
            )
        time.sleep(0.1)
    return found


def _await_end(connection: Connection, runs: Sequence[str]) -> int:
    """Follow runs to their ends, also over a while without Redis; 1 when an image failed or the run was cancelled."""
    reader, left, code = RunReader(connection), list(runs), 0
    while left:
        for name in list(left):
            counts = outlast(partial(reader.counts, name))
            if counts is None or counts.done:
                left.remove(name)
                code = max(code, _tell_end(name, counts, reader))
        if left:
            time.sleep(0.3)
    return code


def _tell_end(name: str, counts: RunCounts | None, reader: RunReader) -> int:
    if counts is None:
        click.echo(f"run {clean(name)} was forgotten meanwhile", err=True)
        return 1
    reason = outlast(partial(reason_of, counts, reader))
    told = f"{counts.copied} copied, {counts.up_to_date} up to date, {counts.failed} failed"
    told += f", {counts.cancelled} cancelled" if counts.cancelled else ""
    told = "its mappings select no image; done" if counts.empty else told
    click.echo(f"{clean(counts.task)}: {told} in {counts.seconds:.1f} s")
    if reason:
        write(lines(clean(reason), indent="  "))
    return 0 if counts.outcome == "done" else 1


@click.command(
    epilog="""\b
Examples:
  dregsy retry mirror         what failed in the task's newest run
  dregsy retry 17-3fa9c2d1    what failed in this run; `dregsy runs` lists ids
  dregsy retry mirror --wait && echo all good
"""
)
@click.argument("name", metavar="[TASK|RUN]", required=False)
@click.option("--wait", is_flag=True, help="Wait until it has been tried; exit code 1 when an image failed again.")
@options.cluster
def retry(name: str | None, wait: bool) -> None:
    """Retry what failed, and nothing else: in a task's newest run, in a run, or everywhere."""
    with connected() as connection:
        orders, reader = Orders(connection), RunReader(connection)
        holds = Holds(connection).all()
        if name is None:
            found = [reader.newest(task) for task in sorted(names_of(connection, ()))]
            runs = [counts for counts in found if counts and counts.failed]
        else:
            found, runs = [], [_find(connection, reader, name)]
        told = [_retry(orders, counts, held=("task", counts.task) in holds) for counts in runs]
        nothing = "nothing has failed" if name or any(found) else "no run is known: nothing to retry"
        for line, _ in told or [(nothing, None)]:
            click.echo(line)
        if wait:
            raise SystemExit(_await_end(connection, [run for _, run in told if run]))


def _retry(orders: Orders, counts: RunCounts, *, held: bool) -> tuple[str, str | None]:
    """What came of it, and the run that tries it."""
    done, head = orders.retry(counts.run), f"{clean(counts.task)}: "
    later = f"; the task is paused, first: dregsy resume {clean(counts.task)}" if held else ""
    if done is None:
        return f"{head}run {clean(counts.run)} is not known any more", None
    if done.active:
        return f"{head}run {clean(done.active)} is active and takes up what failed{later}", done.active
    if not done.jobs and not done.planning:
        return f"{head}nothing of run {clean(counts.run)} has failed, or it is being tried already", counts.run
    parts = [f"{plural(done.jobs, 'image')} again"] * bool(done.jobs)
    parts += ["planning again what could not be planned"] * done.planning
    return f"{head}run {clean(counts.run)}: {', '.join(parts)}{later}", counts.run


@click.command(
    epilog="""\b
Examples:
  dregsy cancel mirror        the run of this task that has not ended
  dregsy cancel 17-3fa9c2d1
"""
)
@click.argument("name", metavar="TASK|RUN")
@options.cluster
def cancel(name: str) -> None:
    """Cancel a run: waiting images at once, running transfers within seconds.

    They count as cancelled, not as failed.
    """
    with connected() as connection:
        counts = _find(connection, RunReader(connection), name)
        done = Orders(connection).cancel(counts.run)
    if done:
        open_before = f", {plural(counts.open, 'image')} were open" if counts.open else ""
        click.echo(f"{clean(counts.task)}: run {clean(counts.run)} is cancelled{open_before}")
    else:
        click.echo(f"{clean(counts.task)}: run {clean(counts.run)} has ended already; nothing to cancel")


def _find(connection: Connection, reader: RunReader, name: str) -> RunCounts:
    counts = reader.find(name)
    if counts is None:
        near = clean(did_you_mean(name, names_of(connection, ())))
        raise Refused(f"there is no run and no task '{clean(name)}'.{near}")
    return counts


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> float:
    if text is None:
        return 0.0
    if text.isdigit():
        raise click.BadParameter(f"'{text}' of what? Write for example {text}s, {text}m or {text}h")
    try:
        seconds = parse_go_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if seconds <= 0:
        raise click.BadParameter("it must be longer than nothing")
    return seconds


@click.command(
    epilog="""\b
Examples:
  dregsy pause mirror --reason 'target is being moved'
  dregsy pause --registry docker.io --for 2h
"""
)
@click.argument("task", required=False)
@click.option("--registry", metavar="HOST", help="Pause everything that reads from or writes to this registry.")
@click.option(
    "--for", "seconds", metavar="TIME", callback=_seconds, help="How long, as 90s, 30m or 2h. Default: until resumed."
)
@click.option("--reason", default="", help="Shown in `dregsy status`.")
@options.cluster
def pause(task: str | None, registry: str | None, seconds: float, reason: str) -> None:
    """Pause a task or a registry: nothing more starts, running transfers go on."""
    kind, name = _target(task, registry)
    with connected() as connection:
        _exists(connection, kind, name)
        overview = Overview(connection)
        used = [found.name for found in overview.registries(overview.tasks()) if not found.hold]
        Orders(connection).hold(kind, name, seconds, reason)
    until = f"for {span(seconds)}" if seconds else "until it is resumed"
    click.echo(f"{kind} {clean(name)} is paused {until}")
    if kind == "registry" and name not in used:
        click.echo(f"warning: no task that has run uses {clean(name)}.{clean(did_you_mean(name, used))}", err=True)


@click.command(
    epilog="""\b
Examples:
  dregsy resume mirror
  dregsy resume --registry docker.io    also when the registry itself asked for the pause
"""
)
@click.argument("task", required=False)
@click.option(
    "--registry",
    metavar="HOST",
    help="End the pause of this registry, also one that the registry caused by refusing requests.",
)
@options.cluster
def resume(task: str | None, registry: str | None) -> None:
    """Resume a task or a registry."""
    kind, name = _target(task, registry)
    with connected() as connection:
        done = Orders(connection).release(kind, name)
        near = ""
        if not done:
            _exists(connection, kind, name)
            near = did_you_mean(name, [held for of, held in Holds(connection).all() if of == kind])
    click.echo(f"{kind} {clean(name)} {'goes on' if done else 'was not paused'}{clean(near and '.' + near)}")


def _target(task: str | None, registry: str | None) -> tuple[Held, str]:
    if task and not registry:
        return "task", task
    if registry and not task:
        from dregsy_queue.oci.hosts import registry_key

        return "registry", registry_key(registry)
    raise click.UsageError("name a task or --registry HOST" + (", not both" if task else ""))


def _exists(connection: Connection, kind: Held, name: str) -> None:
    """A registry may be one of a task that has not run yet; a task must be known."""
    known = names_of(connection, ())
    if kind == "task" and name not in known:
        raise Refused(f"there is no task '{clean(name)}'.{clean(did_you_mean(name, known))}")


@click.command(
    epilog="""\b
Example:
  dregsy forget old-mirror
"""
)
@click.argument("task")
@options.cluster
def forget(task: str) -> None:
    """Delete what Redis and the metrics know of a task: runs, counts, sync records. Cancels its run first.

    Nothing is deleted at the target. A task that has left the config is forgotten by itself after a day.
    """
    with connected() as connection:
        known = names_of(connection, ())
        if task not in known:
            click.echo(f"there is no task '{clean(task)}': nothing to forget.{clean(did_you_mean(task, known))}")
            return
        if not Orders(connection).forget(task):
            raise Refused(f"the run of '{clean(task)}' does not end; try again")
        scheduled = Roles(connection).scheduled().get(task)
    click.echo(f"{clean(task)} is forgotten")
    if scheduled is not None:
        once = f"; a one-off task runs again by dregsy run {clean(task)}, or when a scheduler starts"
        told = "it is still in the config: its next run begins from nothing"
        write(lines(told if scheduled.interval else told + once))
