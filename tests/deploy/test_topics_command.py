"""`groundswell topics` as far as it goes without a broker."""

import pytest

from deploy import topics_command
from deploy.refusal import Refusal
from tests.servers import lasting_port


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        ("-1", "for ever"),
        ("86400000", "1 day"),
        ("604800000", "7 days"),
        ("5400000", "1.5 h"),
        ("0", "0 days"),
    ],
)
def test_retention_in_words(milliseconds, words):
    assert topics_command.retention(milliseconds) == words


@pytest.mark.parametrize("command", [topics_command.apply, topics_command.show])
def test_a_broker_that_is_not_there_is_named_with_what_to_do(command):
    kafka = f"127.0.0.1:{lasting_port()}"
    with pytest.raises(Refusal, match=rf"cannot reach Kafka at {kafka}; look whether it runs"):
        command(kafka)


@pytest.mark.parametrize("kafka", ["", "localhost", "localhost:", "localhost:x", "a:1,", ":9092"])
def test_an_address_that_is_none_is_refused(kafka):
    with pytest.raises(Refusal, match="--kafka"):
        topics_command.show(kafka)
