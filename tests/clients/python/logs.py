"""Logs: whole, by stream, followed, cut by lines and time; with and without a terminal."""

from datetime import datetime, timedelta, timezone

from _env import client, image, prefix

script = "echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.1; done; echo three"
container = client.containers.run(image, ["sh", "-c", script], name=prefix + "a", detach=True)
followed = container.logs(stream=True, follow=True)
got = b""
while got.count(b"\n") < 2:
    got += next(followed)
assert container.exec_run("touch /go").exit_code == 0
got += b"".join(followed)
assert sorted(got.split()) == [b"one", b"three", b"two"], got
assert got.endswith(b"three\n")
assert container.wait()["StatusCode"] == 0
assert container.logs(stderr=False) == b"one\nthree\n"
assert container.logs(stdout=False) == b"two\n"
assert container.logs(tail=1) == b"three\n"
line = container.logs(tail=1, timestamps=True)
assert line.endswith(b"Z three\n"), line
future = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(days=1)
assert container.logs(since=future) == b""
assert container.logs(until=future, stderr=False) == b"one\nthree\n"

terminal = client.containers.run(image, ["sh", "-c", "echo out; echo err >&2"], tty=True, name=prefix + "t", detach=True)
terminal.wait()
assert terminal.logs() == b"out\r\nerr\r\n"
