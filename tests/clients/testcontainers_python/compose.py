"""A compose project as part of a test."""

import pathlib

from _env import image, prefix
from testcontainers.compose import DockerCompose

pathlib.Path("compose.yaml").write_text(f"""
name: {prefix}project
services:
  web:
    image: {image}
    command: [sh, -c, "mkdir /www; echo composed > /www/index.html; echo serving; exec httpd -f -p 8080 -h /www"]
    ports: ["127.0.0.1::8080"]
    stop_signal: KILL
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8080/"]
      interval: 1s
  other:
    image: {image}
    command: [sleep, "9999"]
    stop_signal: KILL
""")
with DockerCompose(".", wait=True) as project:
    host, port = project.get_service_host_and_port("web", 8080)
    project.wait_for(f"http://{host}:{port}/")
    out, _, code = project.exec_in_container(["wget", "-q", "-O", "-", "http://web:8080/"], "other")
    assert (out, code) == ("composed\n", 0), (out, code)
    out, _ = project.get_logs("web")
    assert "serving" in out, out
    assert {container.Service for container in project.get_containers()} == {"web", "other"}
