"""The quick way through paho, held against paho's own."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import _packet
from paho.mqtt.client import CallbackAPIVersion, Client
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.properties import VariableByteIntegers

from connectors import mqtt_paho
from connectors.mqtt_paho import BufferedSocket, Published, acknowledge, hasten, published

VERSIONS = {True: MQTTProtocolVersion.MQTTv5, False: MQTTProtocolVersion.MQTTv311}

texts = st.text(max_size=12).map(str.encode) | st.binary(max_size=6)
properties = st.sampled_from([b"\x00", b"\x02\x01\x01", b"\x05\x02\x00\x00\x00\x09", b"\x80", b"\x7f"])


@st.composite
def bodies(draw, version5: bool) -> tuple[int, bytes]:
    command = 0x30 | draw(st.integers(0, 15))
    if draw(st.integers(0, 9)) == 0:
        return command, draw(st.binary(max_size=12))
    topic = draw(texts)
    mid = struct.pack("!H", draw(st.integers(0, 65535))) if command & 6 else b""
    told = draw(properties) if version5 else b""
    return command, struct.pack("!H", len(topic)) + topic + mid + told + draw(st.binary(max_size=20))


@given(st.data(), st.booleans())
def test_what_is_taken_apart_here_is_what_paho_makes_of_it(data, version5):
    command, body = data.draw(bodies(version5))
    quick = published(command, bytearray(body), version5=version5)
    try:
        slow = _packet.decode_publish(command, bytearray(body), VERSIONS[version5])
        topic = slow.topic.decode()
    except (MalformedPacket, UnicodeDecodeError):
        assert quick is None
        return
    if quick is not None:
        assert quick == Published(topic, bytes(slow.payload), slow.qos, slow.retain, slow.mid)
        assert slow.properties is None or slow.properties.isEmpty()
    else:
        assert slow.qos > 1 or not topic or not slow.properties.isEmpty()


class Way:
    """A client of paho with a broker's end of a connection; `quick` are the messages that went past it."""

    def __init__(self, *, version5: bool, hastened: bool) -> None:
        self.seen: list[Published] = []
        self.quick = 0
        self.client = Client(CallbackAPIVersion.VERSION2, "x", protocol=VERSIONS[version5])
        self.client.manual_ack_set(True)
        self.client.on_message = self._on_message
        near, self.far = socket.socketpair()
        near.setblocking(False)
        self.client._create_socket = lambda: near
        if hastened:
            hasten(self.client, self._take, version5=version5)
        self.client._sock = self.client._create_socket()

    def _take(self, message: Published) -> None:
        self.seen.append(message)
        self.quick += 1

    def _on_message(self, _client, _userdata, message) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "?"
        self.seen.append(Published(topic, bytes(message.payload), message.qos, message.retain, message.mid))

    def feed(self, data: bytes) -> MQTTErrorCode:
        self.far.sendall(data)
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        for _ in range(2 * len(data) + 2):
            code = code or self.client.loop_read()
        return code

    def close(self) -> None:
        self.far.close()
        if self.client._sock is not None:
            self.client._sock.close()
            self.client._sock = None


def packet(command: int, body: bytes) -> bytes:
    return bytes([command]) + VariableByteIntegers.encode(len(body)) + body


@given(st.data(), st.booleans(), st.lists(st.integers(1, 200), max_size=6))
def test_a_stream_in_any_cut_gives_the_same_messages_in_the_same_order(data, version5, cuts):
    packets = data.draw(st.lists(bodies(version5).filter(lambda one: one[0] & 6 < 4), max_size=8))
    stream = b"".join(packet(command, body) for command, body in packets)
    ways = [Way(version5=version5, hastened=hastened) for hastened in (True, False)]
    try:
        begin = 0
        for end in (*sorted(cuts), len(stream)):
            if end > begin:
                codes = {way.feed(stream[begin:end]) for way in ways}
                assert len(codes) == 1
                begin = end
                if codes != {MQTTErrorCode.MQTT_ERR_SUCCESS}:
                    break
        assert ways[0].seen == ways[1].seen
    finally:
        for way in ways:
            way.close()


@pytest.mark.parametrize("version5", [True, False])
def test_plain_messages_take_the_quick_way_and_all_others_come_too(version5):
    way = Way(version5=version5, hastened=True)
    none = b"\x00" if version5 else b""
    try:
        way.feed(packet(0x32, b"\x00\x03a/b\x01\x02" + none + b"{}"))
        assert (way.seen, way.quick) == ([Published("a/b", b"{}", 1, False, 258)], 1)
        way.feed(packet(0x31, b"\x00\x03a/b" + none))
        assert (way.seen[1:], way.quick) == ([Published("a/b", b"", 0, True, 0)], 2)
        way.feed(packet(0x30, b"\x00\x01\xff" + none + b"x"))
        if version5:
            way.feed(packet(0x30, b"\x00\x01a\x02\x01\x01y"))
        assert [(one.topic, one.payload) for one in way.seen[2:]] == [("?", b"x"), ("a", b"y")][
            : 1 + version5
        ]
        assert way.quick == 2
    finally:
        way.close()


@pytest.mark.parametrize("version5", [True, False])
@pytest.mark.parametrize("cut", [1, 1000, 5000])
def test_of_a_large_message_only_its_topic_is_kept_and_what_follows_is_read(version5, cut, monkeypatch):
    monkeypatch.setattr(mqtt_paho, "READ_BYTES", 64)
    monkeypatch.setattr(mqtt_paho, "MAX_PACKET_BYTES", 2000)
    monkeypatch.setattr(mqtt_paho, "_HEAD_BYTES", 100)
    way = Way(version5=version5, hastened=True)
    none = b"\x00" if version5 else b""
    large = b"\x00\x03a/b\x01\x02" + none + b"x" * 20_000
    stream = packet(0x33, large) + packet(0x32, b"\x00\x01c\x01\x03" + none + b"{}")
    most = 0
    try:
        for begin in range(0, len(stream), cut):
            way.far.sendall(stream[begin : begin + cut])
            for _ in range(cut // 64 + 3):
                assert way.client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
                most = max(most, len(way.client._in_packet["packet"]))
        assert way.seen == [
            Published("a/b", b"", 1, True, 258, len(large)),
            Published("c", b"{}", 1, False, 259),
        ]
        assert most <= 64 * 100, "paho's own turn is a hundred pieces"
    finally:
        way.close()


@pytest.mark.parametrize("command", [0x34, 0x90])
def test_a_large_packet_that_nobody_asked_for_ends_the_connection(command, monkeypatch):
    monkeypatch.setattr(mqtt_paho, "READ_BYTES", 64)
    monkeypatch.setattr(mqtt_paho, "MAX_PACKET_BYTES", 2000)
    monkeypatch.setattr(mqtt_paho, "_HEAD_BYTES", 100)
    way = Way(version5=True, hastened=True)
    try:
        code = way.feed(packet(command, b"\x00\x01a\x01\x02" + b"x" * 20_000))
        assert code == MQTTErrorCode.MQTT_ERR_PROTOCOL
        assert not way.seen
    finally:
        way.close()


def test_the_socket_is_asked_in_large_pieces_and_says_when_something_is_left(monkeypatch):
    monkeypatch.setattr(mqtt_paho, "READ_BYTES", 8)
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        buffered = BufferedSocket(near)
        assert not buffered.buffered
        with pytest.raises(BlockingIOError):
            buffered.recv(1)
        far.send(b"0123456789")
        assert buffered.recv(1) == b"0"
        assert buffered.buffered
        assert buffered.recv(100) == b"1234567", "no more than is there, as sockets do"
        assert not buffered.buffered
        assert buffered.recv(2) == b"89"
        far.close()
        assert buffered.recv(1) == b"", "the end"


@given(st.lists(st.integers(1, 65535), max_size=20))
def test_many_are_acknowledged_with_the_bytes_that_paho_sends_for_each(mids):
    sent = []
    for at_once in (True, False):
        way = Way(version5=True, hastened=at_once)
        try:
            if at_once:
                acknowledge(way.client, mids)
            else:
                for mid in mids:
                    way.client.ack(mid, 1)
            way.client.loop_write()
            way.far.setblocking(False)
            sent.append(way.far.recv(1000) if mids else b"")
        finally:
            way.close()
    assert sent[0] == sent[1]
    assert len(sent[0]) == 4 * len(mids)
