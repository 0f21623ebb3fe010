"""The examples of docs/channels.md are configurations that the program takes."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.channels import Surroundings
from connectors.channels.message import ReceiptState
from deploy.cli import app
from deploy.settings_file import load

PAGE = (Path(__file__).parents[1] / "docs" / "channels.md").read_text(encoding="utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    text = "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
    for name in re.findall(r'"env:(\w+)"', text):
        monkeypatch.setenv(name, SECRET)
    counties = tmp_path / "counties.geojson"
    counties.write_text('{"type": "FeatureCollection", "features": []}')
    text = text.replace('# areas = "counties.geojson"', f'areas = "{counties}"')
    path = tmp_path / "groundswell.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


async def test_every_example_is_taken(settings):
    assert [one.id for one in settings.webhook] == ["duty", "province"]
    assert settings.webhook[1].secret == [SECRET, SECRET]
    assert settings.cap.sender_name_zh == "示例预警中心"
    assert set(settings.channels) == {"mail", "sms", "voice", "hook", "pager"}
    around = Surroundings(lambda: 0, "https://warn.example.org")
    for name, config in settings.channels.items():
        channel = config.channel(name, around)
        assert SECRET not in repr(config)
        await channel.close()


def test_the_states_that_the_page_names_are_those_there_are():
    for state in ReceiptState.__args__:
        assert f"*{state}*" in PAGE


def test_the_commands_that_the_page_names_are_there():
    for command in set(re.findall(r"groundswell (webhooks [a-z-]+)", PAGE)):
        done = CliRunner().invoke(app, [*command.split(), "--help"])
        assert done.exit_code == 0, command
