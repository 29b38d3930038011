package main

import (
	"bytes"
	"io"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

func init() { nouns["streams"] = streams }

// split reads both streams of a framed one to its end.
func split(reader io.Reader) (string, string) {
	var out, err bytes.Buffer
	must(stdcopy.StdCopy(&out, &err, reader))
	return out.String(), err.String()
}

// Logs, attached streams and commands, framed and through a terminal.
func streams() {
	script := "echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.1; done; echo three"
	talker := made("a", container.Config{Cmd: []string{"sh", "-c", script}}, container.HostConfig{})
	check(docker.ContainerStart(ctx, talker, container.StartOptions{}))
	followed := must(docker.ContainerLogs(ctx, talker, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true}))
	touch := must(docker.ContainerExecCreate(ctx, talker, container.ExecOptions{Cmd: []string{"touch", "/go"}}))
	check(docker.ContainerExecStart(ctx, touch.ID, container.ExecStartOptions{Detach: true}))
	out, err := split(followed)
	same("followed", out+err, "one\nthree\ntwo\n")
	last, _ := split(must(docker.ContainerLogs(ctx, talker, container.LogsOptions{ShowStdout: true, Tail: "1", Timestamps: true})))
	same("timestamps", strings.HasSuffix(last, "Z three\n"), true)

	reader := made("r", container.Config{
		Cmd: []string{"sh", "-c", "read a; echo got $a; echo err >&2; exit 2"}, OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	}, container.HostConfig{})
	attached := must(docker.ContainerAttach(ctx, reader, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true}))
	statuses, errs := docker.ContainerWait(ctx, reader, container.WaitConditionNextExit)
	check(docker.ContainerStart(ctx, reader, container.StartOptions{}))
	must(attached.Conn.Write([]byte("words\n")))
	check(attached.CloseWrite())
	out, err = split(attached.Reader)
	same("attached", out+err, "got words\nerr\n")
	attached.Close()
	same("its code", exit(statuses, errs), 2)

	doer := idle("i", container.HostConfig{}, nil)
	cat := must(docker.ContainerExecCreate(ctx, doer, container.ExecOptions{
		Cmd: []string{"sh", "-c", "cat; exit 7"}, AttachStdin: true, AttachStdout: true, AttachStderr: true, Env: []string{"A=b"}, User: "1000", WorkingDir: "/tmp",
	}))
	both := must(docker.ContainerExecAttach(ctx, cat.ID, container.ExecAttachOptions{}))
	must(both.Conn.Write([]byte("typed\n")))
	check(both.CloseWrite())
	out, _ = split(both.Reader)
	same("echoed", out, "typed\n")
	both.Close()
	same("code", must(docker.ContainerExecInspect(ctx, cat.ID)).ExitCode, 7)

	shell := must(docker.ContainerExecCreate(ctx, doer, container.ExecOptions{
		Cmd: []string{"sh", "-c", "stty size; tty"}, AttachStdout: true, Tty: true, ConsoleSize: &[2]uint{30, 90},
	}))
	terminal := must(docker.ContainerExecAttach(ctx, shell.ID, container.ExecAttachOptions{Tty: true, ConsoleSize: &[2]uint{30, 90}}))
	said := string(must(io.ReadAll(terminal.Reader)))
	same("terminal", strings.HasPrefix(said, "30 90\r\n/dev/pts/"), true)
	_, failed := docker.ContainerExecInspect(ctx, "none")
	refused(failed, cerrdefs.IsNotFound, "No such exec instance: none")
	check(docker.ContainerPause(ctx, doer))
	_, failed = docker.ContainerExecCreate(ctx, doer, container.ExecOptions{Cmd: []string{"true"}})
	refused(failed, cerrdefs.IsConflict, "is paused, unpause the container before exec")
}
