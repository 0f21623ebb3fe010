"""`groundswell topics`: compares the topics of the code with a broker's, and makes them so."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from deploy import defaults
from deploy.refusal import Refusal

if TYPE_CHECKING:
    from streams.kafka.access import Access
    from streams.kafka.admin import TopicState
    from streams.topics import Topic

T = TypeVar("T")

WIDTH_IN_FILES = 160
DAY_S = 86_400

topics = typer.Typer(
    name="topics", help="Kafka's topics: what the code wants and what is there.", no_args_is_help=True
)

KafkaOption = Annotated[
    str | None,
    typer.Option("--kafka", metavar="HOST:PORT[,...]", help=f"Brokers to begin with; else {defaults.KAFKA}."),
]
PrefixOption = Annotated[
    str | None, typer.Option("--prefix", metavar="TEXT", help="Stands before the name of each topic.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE.toml", help="Whose [kafka] says where and how, but for these options."
    ),
]


@topics.command()
def apply(
    kafka: KafkaOption = None,
    prefix: PrefixOption = None,
    replication: Annotated[
        int, typer.Option("--replication", metavar="N", help="Brokers that keep each new topic.")
    ] = 1,
    config: ConfigOption = None,
) -> None:
    """Create topics that are missing and correct retention and compaction; nothing is deleted."""
    from streams.kafka import admin

    access, begin = chosen(kafka, prefix, config)
    wanted = _wanted(config)
    done = _run(admin.apply(access, prefix=begin, replication=replication, topics=wanted))
    for change in done:
        print(f"{'created' if change.kind == 'create' else 'altered'} {change.name}: {change.text}")
    if not done:
        print(f"all {len(wanted)} topics are as they should be")


@topics.command()
def show(kafka: KafkaOption = None, prefix: PrefixOption = None, config: ConfigOption = None) -> None:
    """List the topics with what would have to change."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from streams.kafka import admin

    access, begin = chosen(kafka, prefix, config)
    table = Table(box=SIMPLE_HEAD)
    for name in ("topic", "key", "partitions", "retention", "cleaned by"):
        table.add_column(name, no_wrap=True, justify="right" if name == "partitions" else "left")
    table.add_column("state", overflow="fold")
    for row in _run(admin.show(access, prefix=begin, topics=_wanted(config))):
        table.add_row(*_cells(row))
    Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES).print(table)


def _wanted(config: Path | None) -> tuple[Topic, ...]:
    """Return the topics of an installation; those of regions below it as its file names them."""
    from deploy.settings_file import load
    from streams.topics import topics_with

    regions = None if config is None else load(config).regions
    return topics_with(() if regions is None else regions.children)


def retention(milliseconds: str) -> str:
    """Say how long a broker keeps messages; `milliseconds` as Kafka writes it, -1 for ever."""
    if milliseconds == "-1":
        return "for ever"
    seconds = int(milliseconds) / 1000
    if seconds % DAY_S == 0:
        days = round(seconds / DAY_S)
        return f"{days} day{'' if days == 1 else 's'}"
    return f"{seconds / 3600:g} h"


def _cells(row: TopicState) -> tuple[str, ...]:
    from streams.kafka.admin import settings_of

    values = row.present.values if row.present else settings_of(row.topic)
    if row.change is None:
        state, style = "as it should be", "green"
    elif row.change.kind == "create":
        state, style = "missing", "yellow"
    elif row.change.kind == "alter":
        state, style = f"to be altered: {row.change.text}", "yellow"
    else:
        state, style = row.change.text, "red"
    return (
        row.name,
        row.topic.key,
        str(row.present.partitions if row.present else row.topic.partitions),
        retention(values["retention.ms"]),
        values["cleanup.policy"],
        f"[{style}]{state}[/]",
    )


def chosen(kafka: str | None, prefix: str | None, config: Path | None) -> tuple[Access, str]:
    """Return the way to Kafka and the prefix of topics: of the options, else of the file, else the defaults.

    Raises
    ------
    Refusal
        An address is none, or the file cannot be used.
    """
    from deploy.kafka_access import kafka_access
    from deploy.settings import KafkaSettings, address
    from deploy.settings_file import load

    for broker in [] if kafka is None else kafka.split(","):
        address(broker, "--kafka")
    found = KafkaSettings() if config is None else load(config).kafka
    where = "--kafka" if config is None else f"[kafka] of {config}"
    return (
        kafka_access(found, found.servers if kafka is None else kafka, where),
        found.prefix if prefix is None else prefix,
    )


def _run(asking: Coroutine[Any, Any, T]) -> T:
    """Run it; what a broker or the lack of one says becomes one sentence."""
    from streams.kafka.admin import KafkaUnreachable, TopicsRefused

    try:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it logs is said in the sentence
        return asyncio.run(asking)
    except (KafkaUnreachable, TopicsRefused) as error:
        raise Refusal(str(error)) from error
