"""What every script here begins with."""

import os

import docker

client = docker.from_env(timeout=120)
image = os.environ["IMAGE"]
prefix = os.environ["PREFIX"]
port = int(os.environ["PORT"])
kind = os.environ["KIND"]
registry = os.environ["REGISTRY"]


def refused(error, words, call, *arguments, **options):
    """`call` raises `error` with `words` in what the engine said."""
    try:
        call(*arguments, **options)
    except error as caught:
        assert words in str(caught), f"no <{words}> in <{caught}>"
        return caught
    raise AssertionError(f"{call} was not refused")


def said(container, command):
    """What a command in a container says. The package loses what comes together with the head of the answer
    (docs/compatibility.md), so the command leaves it a moment.
    """
    return container.exec_run(["sh", "-c", f"sleep 0.2; exec {command}"]).output
