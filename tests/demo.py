"""`make demo`: deploys both examples on the sandbox, calls them, and shows that every call was authorized and billed.

With KEEP=1 everything stays up afterwards, with commands to try, until Ctrl-C.
"""

import os
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.spinner import Spinner
from rich.table import Table

import access_logs
from polling import until
from sandbox import Revenium, Sandbox, Transaction, Workspace
from traffic import Answered, call_all

EXAMPLES = ("rest-api", "http-api")
PATHS = ("/products", "/products/1", "/products/2")
CALLS_PER_CALLER = 60
BILLED_WITHIN = 60.0

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


@dataclass(frozen=True)
class Caller:
    """Who calls, the id sent in the header `clientId` (None: no header), and the statuses the gateway should answer."""

    name: str
    client_id: str | None
    expected: frozenset[int]


CALLERS = (
    Caller("acme, entitled", "acme", frozenset({200})),
    Caller("globex, entitled", "globex", frozenset({200})),
    Caller("initech, subscription ended", "initech", frozenset({403})),
    Caller("a stranger", "nobody-knows-me", frozenset({403})),
    Caller("no clientId header", None, frozenset({401})),
)


@dataclass(frozen=True)
class Row:
    """A caller's line in the table; `lags` in seconds, from sending the call to Revenium having it."""

    caller: Caller
    statuses: Counter[int]
    metered: int
    billed: int
    lags: Sequence[float]

    @property
    def sent(self) -> int:
        return self.statuses.total()

    @property
    def allowed(self) -> int:
        return self.sent - self.statuses[401] - self.statuses[403]

    @property
    def adds_up(self) -> bool:
        return (
            set(self.statuses) == self.caller.expected and self.sent > 0 and self.allowed == self.metered == self.billed
        )


def main() -> int:
    started = time.monotonic()
    console.print("[bold]Revenium metering and authorization for API Gateway[/]: the examples, on a sandbox\n")
    with Sandbox() as sandbox:
        step(f"Sandbox is up: AWS at {sandbox.emulator.endpoint}, Revenium at {sandbox.revenium.origin}", started)
        # Initech was a customer once: Revenium knows the id, and says no.
        sandbox.revenium.entitle("acme", "globex", "initech")
        sandbox.revenium.revoke("initech")
        urls, functions = deploy(sandbox)
        answers = send(sandbox, list(urls.values()))
        rows = settle(sandbox, answers)
        console.print(table(rows))
        correct = report(sandbox, rows, functions)
        console.print(f"\nTook {time.monotonic() - started:.0f} s.")
        if os.environ.get("KEEP") == "1":
            keep(sandbox, urls)
    return 0 if correct else 1


def step(text: str, since: float) -> None:
    console.print(f"[green]✓[/] {text} [dim]({time.monotonic() - since:.0f} s)[/]")


def deploy(sandbox: Sandbox) -> tuple[dict[str, str], list[str]]:
    """Applies the examples side by side; gives their invoke URLs and the names of the metering functions."""
    spinner = Spinner("dots", "terraform init")
    created: Counter[str] = Counter()

    def follow(example: str) -> Callable[[str], None]:
        def line(text: str) -> None:
            created[example] += "Creation complete" in text
            done = ", ".join(f"examples/{each}: {created[each]} resources" for each in EXAMPLES)
            spinner.update(text=f"terraform apply … {done}")

        return line

    def apply(example: str) -> dict[str, str]:
        since = time.monotonic()
        workspace: Workspace = sandbox.workspace(progress=follow(example))
        workspace.init(f"examples/{example}")
        workspace.apply(
            f"examples/{example}",
            variables={
                "revenium_api_key": sandbox.revenium.api_key,
                "metering_url": sandbox.revenium.v2_url,
                "entitlement_url": sandbox.revenium.entitlement_url,
            },
        )
        step(f"terraform apply of examples/{example}, unmodified: {created[example]} resources", since)
        return workspace.output(f"examples/{example}")

    with Live(spinner, console=console, transient=True), ThreadPoolExecutor(len(EXAMPLES)) as executor:
        outputs = dict(zip(EXAMPLES, executor.map(apply, EXAMPLES), strict=True))
    urls = {example: values["invoke_url"].rstrip("/") for example, values in outputs.items()}
    return urls, [values["metering_function_name"] for values in outputs.values()]


def send(sandbox: Sandbox, urls: Sequence[str]) -> list[Answered]:
    """Calls of every caller, shuffled: half of them to each API."""
    calls = [
        (urls[number % len(urls)], PATHS[number % len(PATHS)], caller.client_id)
        for caller in CALLERS
        for number in range(CALLS_PER_CALLER)
    ]
    random.shuffle(calls)
    since = time.monotonic()
    answers = []
    columns = (TextColumn("Calling both APIs"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        for answer in progress.track(call_all(sandbox, calls), total=len(calls)):
            answers.append(answer)
    step(f"{len(answers)} calls by {len(CALLERS)} callers to {len(urls)} APIs", since)
    return answers


def settle(sandbox: Sandbox, answers: Sequence[Answered]) -> list[Row]:
    """Waits until the usage is billed, or for BILLED_WITHIN seconds."""
    since = time.monotonic()
    allowed = {answer.request_id for answer in answers if answer.status not in (401, 403)}
    with Live(Spinner("dots", "Waiting for Revenium to bill"), console=console, transient=True):
        sandbox.gateway.flush()
        try:
            sandbox.revenium.wait_for(lambda revenium: len(revenium.billed()) >= len(allowed), BILLED_WITHIN)
        except TimeoutError:
            console.print(f"[red]✗[/] Not everything was billed within {BILLED_WITHIN:.0f} s")
    billed: dict[str, Transaction] = {each.transaction_id: each for each in sandbox.revenium.billed()}
    step(f"{len(billed)} transactions billed by Revenium", since)
    logged = {line["extendedRequestId"]: line for line in access_logs.lines(sandbox)}
    rows = []
    for caller in CALLERS:
        own = [answer for answer in answers if answer.client_id == caller.client_id]
        charged = [billed[answer.request_id] for answer in own if answer.request_id in billed]
        rows.append(
            Row(
                caller,
                Counter(answer.status for answer in own),
                sum(access_logs.is_usage(logged[answer.request_id]) for answer in own if answer.request_id in logged),
                sum(each.credential == caller.client_id for each in charged),
                [billed[each.request_id].received_at - each.sent_at for each in own if each.request_id in billed],
            )
        )
    return rows


def table(rows: Sequence[Row]) -> Table:
    shown = Table(
        title="\nWho called, and what was billed",
        title_justify="left",
        title_style="bold",
        caption="Metered: access-log lines of calls that reached the API. Billed: transactions that Revenium has.",
        caption_justify="left",
    )
    shown.add_column("Caller")
    for name in ("Sent", "Allowed", "401", "403", "Metered", "Billed"):
        shown.add_column(name, justify="right")
    shown.add_column("Billed after\nmedian", justify="right")
    shown.add_column("\nworst", justify="right")
    shown.add_column("Adds up")
    for row in rows:
        shown.add_row(
            row.caller.name,
            *(str(number or "·") for number in (row.sent, row.allowed, row.statuses[401], row.statuses[403])),
            str(row.metered or "·"),
            str(row.billed or "·"),
            *((f"{statistics.median(row.lags):.2f} s", f"{max(row.lags):.2f} s") if row.lags else ("·", "·")),
            "[green]yes[/]" if row.adds_up else "[red]NO[/]",
        )
    return shown


def report(sandbox: Sandbox, rows: Sequence[Row], functions: Sequence[str]) -> bool:
    """The checks behind the exit code, one line each."""
    billed, sent = sum(row.billed for row in rows), sum(row.sent for row in rows)
    # A function counts after it has delivered, and calls that were turned away are on their way as well.
    until(lambda: access_logs.metering_totals(sandbox, functions)["Received"] >= sent, "every call is counted")
    totals = access_logs.metering_totals(sandbox, functions)
    checks = {
        "every row adds up: sent = allowed + turned away, allowed = metered = billed": all(r.adds_up for r in rows),
        f"{len(sandbox.revenium.duplicates())} calls billed twice": not sandbox.revenium.duplicates(),
        f"nothing billed beside these {billed} calls": len(sandbox.revenium.billed()) == billed,
        f"the metering functions count {totals['Received']} received = {totals['Delivered']} delivered + "
        f"{totals['Skipped']} skipped + {totals['Queued']} queued + {totals['DeadLettered']} dead-lettered": (
            totals["Received"] == sent and totals["Delivered"] == billed and totals["Skipped"] == sent - billed
        ),
        f"{sandbox.revenium.checks()} entitlement checks for {sent} calls: API Gateway caches the answers": (
            0 < sandbox.revenium.checks() < sent
        ),
    }
    for text, correct in checks.items():
        console.print(f"[green]✓[/] {text}" if correct else f"[red]✗ not so: {text}[/]")
    sandbox.check()
    return all(checks.values())


def keep(sandbox: Sandbox, urls: dict[str, str]) -> None:
    console.print("\n[bold]KEEP=1: everything stays up until Ctrl-C.[/] To try in another terminal:\n")
    for url in urls.values():
        address = sandbox.gateway.locate(url + "/products/1")
        headers = " ".join(f"-H '{name}: {value}'" for name, value in address.headers.items())
        for client in ("-H 'clientId: acme' ", "-H 'clientId: initech' ", ""):
            console.print(f"  curl -i {headers} {client}{address.url}", soft_wrap=True)
    console.print("\nBilled as it comes:")
    shown = len(sandbox.revenium.billed())

    def show_new(revenium: Revenium) -> bool:
        nonlocal shown
        for each in revenium.billed()[shown:]:
            console.print(f"  {each.credential}: {each.method} {each.resource} {each.response_code}")
            shown += 1
        return False

    try:
        sandbox.revenium.wait_for(show_new, timeout=threading.TIMEOUT_MAX)
    except KeyboardInterrupt:
        console.print("\nStopped.")


if __name__ == "__main__":
    sys.exit(main())
