"""Attached to a container: what it says and is told, framed or through a terminal."""

import socket

from _env import client, image, prefix
from docker.utils.socket import frames_iter

container = client.containers.create(image, ["sh", "-c", "read a; echo got $a; echo err >&2; exit 2"], name=prefix + "a", stdin_open=True)
connection = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
container.start()
raw = getattr(connection, "_sock", connection)
raw.sendall(b"words\n")
raw.shutdown(socket.SHUT_WR)
said = {1: b"", 2: b""}
for stream, data in frames_iter(connection, tty=False):
    said[stream] += data
assert said == {1: b"got words\n", 2: b"err\n"}, said
assert container.wait()["StatusCode"] == 2

terminal = client.containers.create(image, ["sh"], name=prefix + "t", stdin_open=True, tty=True)
connection = terminal.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
terminal.start()
terminal.resize(height=25, width=77)
raw = getattr(connection, "_sock", connection)
raw.sendall(b"stty size; exit 5\n")
said = b"".join(data for _, data in frames_iter(connection, tty=True))
assert b"25 77" in said, said
assert terminal.wait()["StatusCode"] == 5
