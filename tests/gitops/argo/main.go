// Command argo-judge compares, syncs and judges health as Argo CD does: with
// the packages of Argo CD 3.2.11 and the gitops-engine that it is built with.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

const usage = `usage: argo-judge COMMAND [FLAGS] < MANIFESTS
  diff      compares them with the cluster; prints Synced, or OutOfSync and why, for each
  sync      the same, and where one is OutOfSync, syncs them all
  health    prints each one's health, by the Lua of argocd-cm
  actions   prints each one's actions, by the Lua of argocd-cm
  act       runs the action --action on each
  settings  prints the scripts that argocd-cm brings (no manifests)
  test DIR  runs the tests below DIR, a directory like Argo CD's resource_customizations (no cluster)
All but test need --kubeconfig and --namespace; health, actions, act and settings --argocd-namespace,
where argocd-cm is. Manifests are YAML or JSON; health, actions and act need no more than their names.`

// allowed bounds a whole call: nothing here waits for anything else.
const allowed = time.Minute

// options are what an Application would say.
type options struct {
	kubeconfig      string
	namespace       string
	argocdNamespace string
	action          string
	serverSideApply bool
	serverSideDiff  bool
	webhookChanges  bool
}

func main() {
	// Standard output is JSON, and errors are told once.
	logrus.SetOutput(io.Discard)
	klog.SetOutput(io.Discard)
	klog.LogToStderr(false)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "argo-judge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("no command\n" + usage)
	}
	var o options
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "which cluster to talk to")
	flags.StringVar(&o.namespace, "namespace", "", "the Application's destination")
	flags.StringVar(&o.argocdNamespace, "argocd-namespace", "", "where argocd-cm is")
	flags.StringVar(&o.action, "action", "", "the action to run")
	flags.BoolVar(&o.serverSideApply, "server-side-apply", false, "sync option ServerSideApply=true")
	flags.BoolVar(&o.serverSideDiff, "server-side-diff", false, "compare option ServerSideDiff=true")
	flags.BoolVar(&o.webhookChanges, "include-mutation-webhook", false,
		"compare option IncludeMutationWebhook=true")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), allowed)
	defer cancel()
	said, err := answer(ctx, args[0], flags.Args(), o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

func answer(ctx context.Context, command string, rest []string, o options) (any, error) {
	if command == "test" {
		if len(rest) != 1 {
			return nil, errors.New("test: name one directory\n" + usage)
		}
		return runTests(rest[0])
	}
	if o.kubeconfig == "" || o.namespace == "" {
		return nil, errors.New("--kubeconfig and --namespace are needed\n" + usage)
	}
	cluster, err := newCluster(o)
	if err != nil {
		return nil, fmt.Errorf("no client for %s: %w", o.kubeconfig, err)
	}
	if command == "settings" {
		return cluster.overrides(ctx)
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	objects, err := kube.SplitYAML(input)
	if err != nil {
		return nil, fmt.Errorf("standard input holds no manifests: %w", err)
	}
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(o.namespace)
		}
	}
	switch command {
	case "diff":
		return cluster.diff(ctx, objects)
	case "sync":
		return cluster.sync(ctx, objects)
	case "health":
		return cluster.health(ctx, objects)
	case "actions":
		return cluster.actions(ctx, objects)
	case "act":
		return cluster.act(ctx, objects)
	default:
		return nil, fmt.Errorf("unknown command %q\n%s", command, usage)
	}
}
