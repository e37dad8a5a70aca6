// Command argo-judge compares, syncs and judges health as Argo CD does: with
// the packages of Argo CD 3.2.11 and the gitops-engine that it is built with.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	kubeutil "github.com/argoproj/argo-cd/v3/util/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

const usage = `usage: argo-judge [--kubeconfig FILE] < QUESTIONS
A question is a line {"id": 1, "words": ["COMMAND", "FLAG", ...], "input": "MANIFESTS"}, its answer a line
{"id": 1, "said": ...} or {"id": 1, "error": "..."}.
  diff      compares them with the cluster; says Synced, or OutOfSync and why, for each
  sync      the same, and where one is OutOfSync, syncs them all; with --argocd-namespace and --patience in waves
  health    says each one's health, by the Lua of argocd-cm
  actions   says each one's actions, by the Lua of argocd-cm
  act       runs the action --action on each
  settings  says the scripts that argocd-cm brings (no manifests)
  test DIR  runs the tests below DIR, a directory like Argo CD's resource_customizations (no cluster)
All but test need a cluster and --namespace; health, actions, act and settings --argocd-namespace,
where argocd-cm is. Manifests are YAML or JSON; health, actions and act need no more than their names.`

// allowed bounds a whole answer: nothing here waits for anything else.
const allowed = time.Minute

// options are what an Application would say.
type options struct {
	namespace       string
	argocdNamespace string
	action          string
	patience        time.Duration
	byHand          bool
	pruned          []string
	serverSideApply bool
	serverSideDiff  bool
	webhookChanges  bool
}

func main() {
	// Standard output is JSON, and errors are told once.
	logrus.SetOutput(io.Discard)
	klog.SetOutput(io.Discard)
	klog.LogToStderr(false)
	kubeconfig := flag.String("kubeconfig", "", usage)
	flag.Parse()
	access := &access{kubeconfig: *kubeconfig, kubectl: kubeutil.NewKubectl()}
	if err := serve(os.Stdin, os.Stdout, access.answer); err != nil {
		fmt.Fprintln(os.Stderr, "argo-judge:", err)
		os.Exit(1)
	}
}

func (a *access) answer(words []string, input string) (any, error) {
	if len(words) == 0 {
		return nil, errors.New("no command\n" + usage)
	}
	var o options
	flags := flag.NewFlagSet(words[0], flag.ContinueOnError)
	flags.StringVar(&o.namespace, "namespace", "", "the Application's destination")
	flags.StringVar(&o.argocdNamespace, "argocd-namespace", "", "where argocd-cm is")
	flags.StringVar(&o.action, "action", "", "the action to run")
	flags.DurationVar(&o.patience, "patience", 0, "how long a sync waits for the health of its waves")
	flags.BoolVar(&o.byHand, "by-hand", false, "sync what is in sync, too, as a person may ask for")
	flags.Func("prune", "the name of an object of the first manifest's kind that left Git; repeatable",
		func(name string) error {
			o.pruned = append(o.pruned, name)
			return nil
		})
	flags.BoolVar(&o.serverSideApply, "server-side-apply", false, "sync option ServerSideApply=true")
	flags.BoolVar(&o.serverSideDiff, "server-side-diff", false, "compare option ServerSideDiff=true")
	flags.BoolVar(&o.webhookChanges, "include-mutation-webhook", false,
		"compare option IncludeMutationWebhook=true")
	if err := flags.Parse(words[1:]); err != nil {
		return nil, err
	}
	if words[0] == "test" {
		if flags.NArg() != 1 {
			return nil, errors.New("test: name one directory\n" + usage)
		}
		return runTests(flags.Arg(0))
	}
	if o.namespace == "" {
		return nil, errors.New("--namespace is needed\n" + usage)
	}
	ctx, cancel := context.WithTimeout(context.Background(), allowed)
	defer cancel()
	cluster, err := a.cluster(o)
	if err != nil {
		return nil, fmt.Errorf("no client for %q: %w", a.kubeconfig, err)
	}
	if words[0] == "settings" {
		return cluster.overrides()
	}
	objects, err := kube.SplitYAML([]byte(input))
	if err != nil {
		return nil, fmt.Errorf("the input holds no manifests: %w", err)
	}
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(o.namespace)
		}
	}
	switch words[0] {
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
		return nil, fmt.Errorf("unknown command %q\n%s", words[0], usage)
	}
}
