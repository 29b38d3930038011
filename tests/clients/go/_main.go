// Nouns that Docker's own client in Go is tried with: one function each, in a file of its name.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/docker/docker/client"
)

var (
	image  = os.Getenv("IMAGE")
	prefix = os.Getenv("PREFIX")
	ctx    = context.Background()
	nouns  = map[string]func(){}
	docker *client.Client
)

func main() {
	defer func() {
		if found := recover(); found != nil {
			fmt.Fprintf(os.Stderr, "FAILED: %v\n%s", found, debug.Stack())
			os.Exit(1)
		}
	}()
	docker = must(client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()))
	nouns[os.Args[1]]()
}

// must is for what has to succeed.
func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func same[T comparable](what string, found, wanted T) {
	if found != wanted {
		panic(fmt.Sprintf("%s: found <%v>, wanted <%v>", what, found, wanted))
	}
}

// refused is for what has to fail: of this kind, in these words.
func refused(err error, kind func(error) bool, words string) {
	if err == nil || !kind(err) || !strings.Contains(err.Error(), words) {
		panic(fmt.Sprintf("%v: not of the kind wanted, or without <%s>", err, words))
	}
}
