"""Networks: made, joined, left, listed; names, ports and addresses."""

import time
import urllib.request

from _env import client, image, port, prefix, refused, said
from docker import errors, types

octet = port // 10 % 200 + 20
pool = types.IPAMPool(subnet=f"10.96.{octet}.0/24", gateway=f"10.96.{octet}.1")
network = client.networks.create(
    prefix + "net", driver="bridge", ipam=types.IPAMConfig(pool_configs=[pool]), labels={"a.label": "yes"}, attachable=True
)
assert network.attrs["IPAM"]["Config"][0]["Gateway"] == f"10.96.{octet}.1" and network.attrs["Labels"] == {"a.label": "yes"}
assert [found.id for found in client.networks.list(names=[prefix + "net"])] == [network.id]

server = client.containers.run(
    image,
    ["sh", "-c", "mkdir /www; echo page > /www/index.html; httpd -f -p 80 -h /www"],
    name=prefix + "server",
    init=True,
    detach=True,
    network=prefix + "net",
    networking_config={prefix + "net": client.api.create_endpoint_config(aliases=["site"], ipv4_address=f"10.96.{octet}.7")},
    ports={"80/tcp": ("127.0.0.1", port), "81/tcp": None},
)
server.reload()
assert server.attrs["NetworkSettings"]["Networks"][prefix + "net"]["IPAddress"] == f"10.96.{octet}.7"
assert server.ports["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
assert all(int(binding["HostPort"]) > 0 for binding in server.ports["81/tcp"])
while server.exec_run("wget -q -O - http://127.0.0.1").exit_code != 0:
    time.sleep(0.1)
assert urllib.request.urlopen(f"http://127.0.0.1:{port}").read() == b"page\n"

guest = client.containers.run(image, ["sleep", "600"], name=prefix + "guest", init=True, detach=True)
assert guest.exec_run("wget -q -O - http://site").exit_code != 0
network.connect(guest, aliases=["visitor"])
assert said(guest, "wget -q -O - http://site") == b"page\n"
assert server.exec_run("ping -c 1 visitor").exit_code == 0
network.reload()
assert {found.name for found in network.containers} == {prefix + "server", prefix + "guest"}
refused(errors.APIError, "has active endpoints", network.remove)
network.disconnect(guest)
assert guest.exec_run("wget -q -O - http://site").exit_code != 0
refused(errors.APIError, "is not connected to network", network.disconnect, guest)

refused(errors.APIError, f"network with name {prefix}net already exists", client.networks.create, prefix + "net")
refused(errors.NotFound, f"network {prefix}none not found", client.networks.get, prefix + "none")
overlapping = types.IPAMConfig(pool_configs=[types.IPAMPool(subnet=f"10.96.{octet}.0/25")])
refused(errors.APIError, "Pool overlaps with other one on this address space", client.networks.create, prefix + "over", ipam=overlapping)
busy = client.containers.create(image, name=prefix + "busy", ports={"80/tcp": ("127.0.0.1", port)})
refused(errors.APIError, "port is already allocated", busy.start)
network.disconnect(server, force=True)
network.remove()
unused = client.networks.create(prefix + "unused", labels={prefix + "prune": ""})
assert client.networks.prune(filters={"label": prefix + "prune"})["NetworksDeleted"] == [unused.name]
