"""`groundswell deadletter`: what could not be read or judged, with the reason, and another try."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.refusal import Refusal
from deploy.topics_command import WIDTH_IN_FILES, ConfigOption, KafkaOption, PrefixOption, chosen

if TYPE_CHECKING:
    from streams.kafka.access import Access
    from streams.kafka.dead_letters import DeadLetter

deadletter = typer.Typer(help="Messages that could not be read or judged.", no_args_is_help=True)

CONNECT_S = 15.0


@deadletter.command("list")
def list_(
    kafka: KafkaOption = None,
    prefix: PrefixOption = None,
    config: ConfigOption = None,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="Write the messages as files, too.")
    ] = None,
) -> None:
    """Print the parked messages, the oldest first."""
    from rich.console import Console
    from rich.table import Table

    table = Table("number", "topic", "partition", "offset", "bytes", "by", "reason")
    for number, letter in asyncio.run(_letters(*chosen(kafka, prefix, config))):
        where = letter.topic, str(letter.partition), str(letter.offset), f"{len(letter.value):,}"
        table.add_row(str(number), *where, letter.group, letter.reason)
        if save is not None:
            save.mkdir(parents=True, exist_ok=True)
            (save / f"{number}-{letter.topic}-{letter.partition}-{letter.offset}").write_bytes(letter.value)
    Console(width=None if sys.stdout.isatty() else WIDTH_IN_FILES).print(table)


@deadletter.command()
def replay(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[NUMBER...]", help="As `list` tells them; none: all.")
    ] = None,
    kafka: KafkaOption = None,
    prefix: PrefixOption = None,
    config: ConfigOption = None,
) -> None:
    """Send parked messages to their topics again: after an upgrade, say. They stay among the parked ones."""
    from streams.topics import is_descriptions

    access, begin = chosen(kafka, prefix, config)
    letters = dict(asyncio.run(_letters(access, begin)))
    fixed = {one for one, letter in letters.items() if is_descriptions(letter.topic.removeprefix(begin))}
    wanted = [one for one in letters if one not in fixed] if numbers is None else numbers
    for number in wanted:
        if number not in letters:
            raise Refusal(f"there is no parked message {number}; `groundswell deadletter list` tells them")
        if number in fixed:  # sent again, it would count as newer than what the region said since
            raise Refusal(
                f"message {number} describes objects of a region: `groundswell store` tries it at each start"
            )
    asyncio.run(_send(access, [letters[number] for number in wanted]))
    print(f"{len(wanted)} of {len(letters)} parked messages were sent again")


async def _letters(kafka: Access, prefix: str) -> list[tuple[int, DeadLetter]]:
    """Return the parked messages with their numbers."""
    from streams.kafka.dead_letters import dead_letter
    from streams.kafka.reader import Reader
    from streams.topics import DEAD_LETTERS

    reader = Reader(kafka, [DEAD_LETTERS], {}, prefix)
    try:
        await asyncio.wait_for(reader.start(), CONNECT_S)
        found = []
        while await reader.remaining():
            for one in await reader.next(1.0):
                letter = dead_letter(one.value, one.headers)
                if letter is not None:
                    found.append((one.offset, letter))
    except TimeoutError:
        raise Refusal(
            reader.error or await kafka.trouble() or f"Kafka at {kafka.servers} is slow; try again"
        ) from None
    finally:
        await reader.stop()
    return found


async def _send(kafka: Access, letters: list[DeadLetter]) -> None:
    from streams.kafka.output import Output

    output = Output(kafka, "groundswell-deadletter")
    try:
        await output.send([letter.again() for letter in letters])
    finally:
        await output.close()
