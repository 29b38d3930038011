"""What a killed test leaves behind goes, and its reaper with it; nothing else does."""

import os
import signal
import subprocess
import sys

import docker
from _env import image, prefix, sleeper
from testcontainers.core.labels import SESSION_ID
from testcontainers.core.network import Network

if sys.argv[1:] == ["be_killed"]:
    network = Network().create()
    container = sleeper().with_network(network).start()
    print(SESSION_ID, container.get_container_id(), network.name, flush=True)
    signal.pause()

client = docker.from_env(timeout=120)
victim = subprocess.Popen([sys.executable, "-B", __file__, "be_killed"], stdout=subprocess.PIPE, text=True)
session, container, network = victim.stdout.readline().split()
reaper = client.containers.get(f"testcontainers-ryuk-{session}")
# It is removed when it ends: what it says is told if this fails.
subprocess.Popen([os.environ["DOCKER"], "logs", "-f", reaper.id])
assert client.containers.get(container).status == "running"
bystander = client.containers.run(image, "sleep 9999", name=prefix + "bystander", detach=True)
wanted = {container, reaper.id}
destroyed = client.events(decode=True, filters={"type": "container", "event": "destroy"})
victim.kill()
victim.wait()
for event in destroyed:
    wanted.discard(event["Actor"]["ID"])
    if not wanted:
        break
assert not client.networks.list(names=[network])
bystander.reload()
assert bystander.status == "running"
