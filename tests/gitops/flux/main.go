// Command flux-judge applies and waits as Flux does: with the libraries of its
// kustomize-controller, at the versions of kustomize-controller 1.9.6.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const usage = `usage: flux-judge --kubeconfig FILE < QUESTIONS
A question is a line {"id": 1, "words": ["COMMAND", ...], "input": "MANIFESTS"}, its answer a line {"id": 1, "said": ...} or
{"id": 1, "error": "..."}.
  apply                  applies them; says what was done to each: created, configured, unchanged
  wait [--timeout TIME]  waits for them as a Kustomization with "wait: true" does; says null, or why not
  status                 says each one's status and message as kstatus computes them
Each needs --namespace. Manifests are YAML or JSON; wait and status need no more than their names.`

// allowed bounds a whole answer: nothing here waits for anything else.
const allowed = 2 * time.Minute

func main() {
	kubeconfig := flag.String("kubeconfig", "", usage)
	flag.Parse()
	cluster, err := newCluster(*kubeconfig)
	if err != nil {
		err = fmt.Errorf("no client for %q: %w", *kubeconfig, err)
	} else {
		err = serve(os.Stdin, os.Stdout, cluster.answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "flux-judge:", err)
		os.Exit(1)
	}
}

func (c *cluster) answer(words []string, input string) (any, error) {
	if len(words) == 0 {
		return nil, errors.New("no command\n" + usage)
	}
	flags := flag.NewFlagSet(words[0], flag.ContinueOnError)
	namespace := flags.String("namespace", "", "where manifests without a namespace belong")
	timeout := flags.Duration("timeout", 30*time.Second, "how long to wait")
	if err := flags.Parse(words[1:]); err != nil {
		return nil, err
	}
	if *namespace == "" {
		return nil, errors.New("--namespace is needed\n" + usage)
	}
	objects, err := utils.ReadObjects(strings.NewReader(input))
	if err != nil {
		return nil, fmt.Errorf("the input holds no manifests: %w", err)
	}
	setNamespace(objects, *namespace)
	ctx, cancel := context.WithTimeout(context.Background(), allowed)
	defer cancel()
	switch words[0] {
	case "apply":
		return c.apply(ctx, *namespace, objects)
	case "wait":
		return c.wait(ctx, objects, *timeout), nil
	case "status":
		return c.status(ctx, objects)
	default:
		return nil, fmt.Errorf("unknown command %q\n%s", words[0], usage)
	}
}

// setNamespace is what a Kustomization's targetNamespace does.
func setNamespace(objects []*unstructured.Unstructured, namespace string) {
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(namespace)
		}
	}
}
