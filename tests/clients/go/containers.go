package main

import (
	"encoding/json"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/go-connections/nat"
)

func init() { nouns["containers"] = containers }

// made makes a container that is removed by the harness.
func made(name string, config container.Config, host container.HostConfig) string {
	config.Image = image
	return must(docker.ContainerCreate(ctx, &config, &host, nil, nil, prefix+name)).ID
}

// idle starts a container that does nothing.
func idle(name string, host container.HostConfig, labels map[string]string) string {
	yes := true
	host.Init = &yes
	exposed := nat.PortSet{}
	for port := range host.PortBindings {
		exposed[port] = struct{}{}
	}
	id := made(name, container.Config{Cmd: []string{"sleep", "600"}, Labels: labels, ExposedPorts: exposed}, host)
	check(docker.ContainerStart(ctx, id, container.StartOptions{}))
	return id
}

// exit waits for what was asked for before.
func exit(statuses <-chan container.WaitResponse, errs <-chan error) int64 {
	select {
	case status := <-statuses:
		return status.StatusCode
	case err := <-errs:
		panic(err)
	}
}

// Containers: made, started, waited for in every way, changed, listed, removed; and what is refused.
func containers() {
	one := made("one", container.Config{Cmd: []string{"sh", "-c", "exit 3"}, Env: []string{"A=b"}}, container.HostConfig{AutoRemove: true})
	same("status", must(docker.ContainerInspect(ctx, one)).State.Status, "created")
	next, nextErr := docker.ContainerWait(ctx, one, container.WaitConditionNextExit)
	removed, removedErr := docker.ContainerWait(ctx, one, container.WaitConditionRemoved)
	check(docker.ContainerStart(ctx, one, container.StartOptions{}))
	same("next exit", exit(next, nextErr), 3)
	same("removal", exit(removed, removedErr), 3)
	_, err := docker.ContainerInspect(ctx, one)
	refused(err, cerrdefs.IsNotFound, "No such container")

	two := idle("two", container.HostConfig{}, map[string]string{prefix + "label": "yes"})
	list := must(docker.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", prefix+"label=yes"))}))
	same("listed", len(list), 1)
	same("found", list[0].ID, two)
	same("processes", len(must(docker.ContainerTop(ctx, two, nil)).Processes) > 0, true)
	check(docker.ContainerPause(ctx, two))
	refused(docker.ContainerPause(ctx, two), cerrdefs.IsConflict, "is already paused")
	check(docker.ContainerUnpause(ctx, two))
	check(docker.ContainerRename(ctx, two, prefix+"renamed"))
	must(docker.ContainerUpdate(ctx, two, container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 2}}))
	same("retries", must(docker.ContainerInspect(ctx, two)).HostConfig.RestartPolicy.MaximumRetryCount, 2)
	must(docker.ContainerUpdate(ctx, two, container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: "no"}}))
	seconds := 10
	check(docker.ContainerRestart(ctx, two, container.StopOptions{Timeout: &seconds}))
	answer := must(docker.ContainerStatsOneShot(ctx, two))
	var stats container.StatsResponse
	check(json.NewDecoder(answer.Body).Decode(&stats))
	check(answer.Body.Close())
	// Of a single sample dockerd does not say whose it is.
	same("read never", stats.Read.IsZero(), false)
	refused(docker.ContainerRemove(ctx, two, container.RemoveOptions{}), cerrdefs.IsConflict, "container is running")
	statuses, errs := docker.ContainerWait(ctx, two, container.WaitConditionNotRunning)
	check(docker.ContainerKill(ctx, two, "SIGTERM"))
	same("killed", exit(statuses, errs), 143)
	refused(docker.ContainerKill(ctx, two, "SIGTERM"), cerrdefs.IsConflict, "is not running")
	check(docker.ContainerStart(ctx, two, container.StartOptions{}))
	check(docker.ContainerStop(ctx, two, container.StopOptions{Timeout: &seconds}))
	report := must(docker.ContainersPrune(ctx, filters.NewArgs(filters.Arg("label", prefix+"label"))))
	same("pruned", len(report.ContainersDeleted), 1)

	broken := made("broken", container.Config{Cmd: []string{"no-such-program"}}, container.HostConfig{})
	refused(docker.ContainerStart(ctx, broken, container.StartOptions{}), cerrdefs.IsInvalidArgument, "executable file not found in $PATH")
	_, err = docker.ContainerCreate(ctx, &container.Config{Image: image}, nil, nil, nil, prefix+"broken")
	refused(err, cerrdefs.IsConflict, "is already in use by container")
	_, err = docker.ContainerCreate(ctx, &container.Config{Image: "none-such:1"}, nil, nil, nil, prefix+"x")
	refused(err, cerrdefs.IsNotFound, "No such image: none-such:1")
	_, err = docker.ContainerCreate(ctx, &container.Config{Image: image}, nil, nil, nil, "bad/name")
	refused(err, cerrdefs.IsInvalidArgument, "Invalid container name")
}
