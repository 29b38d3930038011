package main

import (
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

func init() { nouns["containers"] = containers }

// Containers: made, started, waited for, removed.
func containers() {
	made := must(docker.ContainerCreate(ctx, &container.Config{Image: image, Cmd: []string{"sh", "-c", "exit 3"}}, nil, nil, nil, prefix+"a"))
	_, err := docker.ContainerInspect(ctx, prefix+"none")
	refused(err, cerrdefs.IsNotFound, "No such container")
	exits, errs := docker.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	check(docker.ContainerStart(ctx, made.ID, container.StartOptions{}))
	select {
	case exit := <-exits:
		same("status", exit.StatusCode, 3)
	case err := <-errs:
		panic(err)
	}
	check(docker.ContainerRemove(ctx, made.ID, container.RemoveOptions{}))
}
