"""Containers: made, run, waited for, removed."""

from _env import client, image, prefix, refused
import docker

container = client.containers.run(image, ["sh", "-c", "echo out; echo err >&2; exit 3"], name=prefix + "a", detach=True)
assert container.wait()["StatusCode"] == 3
assert container.logs(stderr=False) == b"out\n"
refused(docker.errors.NotFound, "No such container", client.containers.get, prefix + "none")
container.remove()
