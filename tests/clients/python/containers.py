"""Containers: made, run, waited for, changed, listed, removed; and what is refused."""

from _env import client, image, prefix, refused
from docker import errors

# Run in the foreground: the output, or the error with what was said.
assert client.containers.run(image, "echo hello", remove=True, name=prefix + "run") == b"hello\n"
failed = refused(errors.ContainerError, "exit status 3", client.containers.run, image, ["sh", "-c", "echo why >&2; exit 3"], remove=True)
assert failed.exit_status == 3 and failed.stderr == b"why\n"

one = client.containers.create(
    image,
    ["sleep", "600"],
    name=prefix + "one",
    init=True,
    environment={"A": "b"},
    labels={"a.label": "yes"},
    hostname="named",
    working_dir="/tmp",
    user="1000:1000",
    mem_limit="64m",
    tmpfs={"/scratch": "size=1m"},
    cap_drop=["ALL"],
    sysctls={"net.ipv4.ip_unprivileged_port_start": "80"},
)
assert one.status == "created"
one.start()
one.reload()
assert one.status == "running" and one.attrs["Config"]["Hostname"] == "named"
# Where there is no cgroup for it, a limit is dropped with a warning.
assert one.attrs["HostConfig"]["Memory"] == (64 << 20 if client.info()["MemoryLimit"] else 0)
assert [found.id for found in client.containers.list(filters={"label": "a.label=yes", "name": prefix})] == [one.id]
assert any("sleep" in word for process in one.top()["Processes"] for word in process)
one.pause()
one.reload()
assert one.status == "paused"
one.unpause()
one.rename(prefix + "two")
one.reload()
assert one.name == prefix + "two"
one.update(restart_policy={"Name": "on-failure", "MaximumRetryCount": 2})
one.reload()
assert one.attrs["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
one.update(restart_policy={"Name": "no"})
begun = one.attrs["State"]["StartedAt"]
one.restart(timeout=1)
one.reload()
assert one.attrs["State"]["StartedAt"] != begun
assert one.exec_run("touch /tmp/new").exit_code == 0
assert {"Path": "/tmp/new", "Kind": 1} in one.diff()

stats = one.stats(stream=False)
assert stats["id"] == one.id and stats["name"] == "/" + one.name and "cpu_stats" in stats
stream = one.stats(decode=True, stream=True)
assert [next(stream)["id"] for _ in range(2)] == [one.id] * 2
stream.close()

refused(errors.APIError, "container is running", one.remove)
one.kill("SIGTERM")
assert one.wait()["StatusCode"] == 143
one.start()
while len(one.top()["Processes"]) < 2:
    pass  # Its init does not listen yet: a signal to a first process that does not is lost.
one.stop(timeout=10)
assert one.wait(condition="not-running")["StatusCode"] == 143
one.remove()
refused(errors.NotFound, "No such container", one.reload)

refused(errors.ImageNotFound, "No such image: none-such:1", client.api.create_container, "none-such:1")
broken = client.containers.create(image, ["no-such-program"], name=prefix + "broken")
refused(errors.APIError, "executable file not found in $PATH", broken.start)
refused(errors.APIError, "is already in use by container", client.containers.create, image, name=prefix + "broken")
refused(errors.APIError, "Invalid container name", client.containers.create, image, name="bad/name")
refused(errors.APIError, "is not running", broken.kill)
refused(errors.NotFound, "No such container: none-such", client.containers.get, "none-such")

# A wait for the removal hears of it.
brief = client.containers.run(image, ["sleep", "600"], init=True, name=prefix + "brief", detach=True, labels={prefix + "prune": ""})
brief.stop(timeout=10)
pruned = client.containers.prune(filters={"label": prefix + "prune"})
assert pruned["ContainersDeleted"] == [brief.id] and "SpaceReclaimed" in pruned
