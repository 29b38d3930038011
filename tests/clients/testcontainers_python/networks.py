"""Containers that find each other by aliases."""

from _env import PAGE, server, sleeper
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

with Network() as network:
    ready = LogMessageWaitStrategy("serving").with_startup_timeout(120)
    with server().with_network(network).with_network_aliases("web", "www").waiting_for(ready):
        with sleeper().with_network(network) as other, sleeper() as stranger:
            for name in ("web", "www"):
                result = other.exec(f"wget -q -O - http://{name}:8080/")
                assert result == (0, PAGE), result
            assert stranger.exec("wget -q -O - http://web:8080/").exit_code == 1
            network.connect(stranger.get_container_id(), ["late"])
            assert stranger.exec("wget -q -O - http://web:8080/") == (0, PAGE)
