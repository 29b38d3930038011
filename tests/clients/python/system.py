"""The engine itself: alive, its version, what it is made of, who may log in."""

import docker
from _env import client, prefix, refused, registry
from docker import errors

assert client.ping()
version = client.version()
assert version["ApiVersion"] == "1.51" and version["Os"] == "linux" and version["Components"]
info = client.info()
assert info["OSType"] == "linux" and info["Driver"] and info["NCPU"] > 0 and info["MemTotal"] > 0
assert {"Containers", "Images", "ServerVersion", "Plugins", "SecurityOptions"} <= set(info)
usage = client.df()
assert {"Images", "Containers", "Volumes"} <= set(usage) and any("busybox:latest" in (found["RepoTags"] or []) for found in usage["Images"])

# The registry here lets in whom it does not ask.
assert client.login("somebody", password="secret", registry=f"http://{registry}", dockercfg_path="none")["Status"] == "Login Succeeded"
# An older client is served, a newer one refused.
old = docker.from_env(version="1.44")
assert old.version()["ApiVersion"] == "1.51"
newer = docker.from_env(version="1.99").api
refused(errors.APIError, "client version 1.99 is too new. Maximum supported API version is 1.51", newer.info)
refused(errors.APIError, "page not found", client.api._result, client.api._get(client.api._url("/none")))
refused(errors.APIError, "This node is not a swarm manager", client.services.list)
