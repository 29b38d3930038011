"""Commands in a running container: output, streams, sockets, codes."""

import socket

from _env import client, image, prefix, refused
from docker import errors
from docker.utils.socket import frames_iter

container = client.containers.run(image, ["sleep", "600"], init=True, name=prefix + "a", detach=True)
# The package loses what comes together with the head of the answer (docs/compatibility.md): the commands leave it a moment.
assert container.exec_run("sh -c 'sleep 0.2; echo hello'") == (0, b"hello\n")
code, (out, err) = container.exec_run(["sh", "-c", "sleep 0.2; echo out; echo err >&2; exit 7"], demux=True)
assert (code, out, err) == (7, b"out\n", b"err\n")
options = {"environment": {"A": "b"}, "user": "1000", "workdir": "/tmp"}
assert container.exec_run(["sh", "-c", "sleep 0.2; echo $A $(id -u) $(pwd)"], **options).output == b"b 1000 /tmp\n"
streamed = container.exec_run(["sh", "-c", "sleep 0.2; for i in 1 2 3; do echo $i; done"], stream=True)
assert b"".join(streamed.output) == b"1\n2\n3\n"
assert container.exec_run(["sh", "-c", "sleep 0.2; tty"], tty=True).output.startswith(b"/dev/pts/")

# Both ways over the connection itself.
made = client.api.exec_create(container.id, ["cat"], stdin=True)["Id"]
connection = client.api.exec_start(made, socket=True)
raw = getattr(connection, "_sock", connection)
raw.sendall(b"typed\n")
raw.shutdown(socket.SHUT_WR)
assert b"".join(data for stream, data in frames_iter(connection, tty=False) if stream == 1) == b"typed\n"
found = client.api.exec_inspect(made)
assert (found["Running"], found["ExitCode"], found["ContainerID"]) == (False, 0, container.id)

made = client.api.exec_create(container.id, ["sh"], stdin=True, tty=True)["Id"]
connection = client.api.exec_start(made, socket=True, tty=True)
client.api.exec_resize(made, height=30, width=90)
raw = getattr(connection, "_sock", connection)
raw.sendall(b"stty size; exit 4\n")
said = b"".join(data for _, data in frames_iter(connection, tty=True))
assert b"30 90" in said, said
assert client.api.exec_inspect(made)["ExitCode"] == 4

made = client.api.exec_create(container.id, ["touch", "/detached"])["Id"]
client.api.exec_start(made, detach=True)
while client.api.exec_inspect(made)["Running"]:
    pass
assert container.exec_run("test -e /detached").exit_code == 0

code, said = container.exec_run("no-such-program")
assert code == 127 and b"executable file not found in $PATH" in said, said
refused(errors.APIError, "unable to find user nobody-here", container.exec_run, "true", user="nobody-here")
refused(errors.NotFound, "No such exec instance: none", client.api.exec_inspect, "none")
container.pause()
refused(errors.APIError, "is paused, unpause the container before exec", container.exec_run, "true")
container.unpause()
container.stop(timeout=10)
refused(errors.APIError, "is not running", container.exec_run, "true")
