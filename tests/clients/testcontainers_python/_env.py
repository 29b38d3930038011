"""What every script here begins with."""

import os
import pathlib
import urllib.request

from testcontainers.core.container import DockerContainer

image = os.environ["IMAGE"]
prefix = os.environ["PREFIX"]

# The client runs `docker compose` by its plain names.
plugins = pathlib.Path(os.environ["DOCKER_CONFIG"], "cli-plugins")
plugins.mkdir(exist_ok=True)
if not (plugins / "docker-compose").exists():
    (plugins / "docker-compose").symlink_to(os.environ["COMPOSE_PLUGIN"])
if os.path.isabs(os.environ["DOCKER"]):
    os.environ["PATH"] = f"{pathlib.Path(os.environ['DOCKER']).parent}:{os.environ['PATH']}"

PAGE = b"hello from the container\n"


def sleeper():
    """A container that does nothing."""
    return DockerContainer(image).with_command("sleep 9999")


def server():
    """A web server that says when it begins, a moment after the start."""
    command = "sleep 1; echo serving; exec httpd -f -p 8080 -h /www"
    container = DockerContainer(image).with_command(["sh", "-c", command]).with_exposed_ports(8080)
    return container.with_copy_into_container(PAGE, "/www/index.html")


def page(container):
    """What the server answers on the port that it was given on this side."""
    address = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8080)}/"
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read()
