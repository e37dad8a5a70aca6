// Command flux-judge applies and waits as Flux does: with the libraries of its
// kustomize-controller, at the versions of kustomize-controller 1.9.6.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const usage = `usage: flux-judge COMMAND --kubeconfig FILE --namespace NAMESPACE < MANIFESTS
  apply                  applies them; prints what was done to each: created, configured, unchanged
  wait [--timeout TIME]  waits for them as a Kustomization with "wait: true" does; prints null, or why not
  status                 prints each one's status and message as kstatus computes them
Manifests are YAML or JSON; wait and status need no more than their names.`

// allowed bounds a whole call: nothing here waits for anything else.
const allowed = 2 * time.Minute

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "flux-judge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("no command\n" + usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "which cluster to talk to")
	namespace := flags.String("namespace", "", "where manifests without a namespace belong")
	timeout := flags.Duration("timeout", 30*time.Second, "how long to wait")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *kubeconfig == "" || *namespace == "" {
		return errors.New("--kubeconfig and --namespace are needed\n" + usage)
	}
	objects, err := utils.ReadObjects(os.Stdin)
	if err != nil {
		return fmt.Errorf("standard input holds no manifests: %w", err)
	}
	setNamespace(objects, *namespace)
	judge, err := newJudge(*kubeconfig, *namespace)
	if err != nil {
		return fmt.Errorf("no client for %s: %w", *kubeconfig, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), allowed)
	defer cancel()

	var said any
	switch args[0] {
	case "apply":
		said, err = judge.apply(ctx, objects)
	case "wait":
		said = judge.wait(ctx, objects, *timeout)
	case "status":
		said, err = judge.status(ctx, objects)
	default:
		err = fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

// setNamespace is what a Kustomization's targetNamespace does.
func setNamespace(objects []*unstructured.Unstructured, namespace string) {
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(namespace)
		}
	}
}
