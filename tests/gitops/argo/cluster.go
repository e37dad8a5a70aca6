package main

import (
	"context"
	"errors"
	gosync "sync"
	"time"

	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo"
	argodiff "github.com/argoproj/argo-cd/v3/util/argo/diff"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	kubeutil "github.com/argoproj/argo-cd/v3/util/kube"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/sync"
	synccommon "github.com/argoproj/gitops-engine/pkg/sync/common"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	jsonpatch "github.com/evanphx/json-patch"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubectl/pkg/util/openapi"
)

// application is the name that objects are tracked by.
const application = "judge"

// What is said of an object; outOfSync with what a sync would change, as a merge patch.
const (
	synced    = string(v1alpha1.SyncStatusCodeSynced)
	outOfSync = string(v1alpha1.SyncStatusCodeOutOfSync)
)

// access is what all questions have in common. Argo CD keeps it, too, from one comparison to the next.
type access struct {
	kubeconfig string
	kubectl    kube.Kubectl

	mutex    gosync.Mutex
	config   *rest.Config
	schema   openapi.Resources
	types    *managedfields.GvkParser
	settings map[string]*settings.SettingsManager
}

// cluster is where one Application goes.
type cluster struct {
	options
	*access
}

func (a *access) cluster(o options) (*cluster, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.config == nil {
		config, err := clientcmd.BuildConfigFromFlags("", a.kubeconfig)
		if err != nil {
			return nil, err
		}
		// No question waits for another one.
		config.QPS = -1
		a.config, a.settings = config, map[string]*settings.SettingsManager{}
	}
	return &cluster{options: o, access: a}, nil
}

// overrides are the settings for kinds, from argocd-cm where one is named.
func (c *cluster) overrides() (map[string]v1alpha1.ResourceOverride, error) {
	if c.argocdNamespace == "" {
		return nil, errors.New("--argocd-namespace is needed: where argocd-cm is")
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	manager := c.settings[c.argocdNamespace]
	if manager == nil {
		client, err := kubernetes.NewForConfig(c.config)
		if err != nil {
			return nil, err
		}
		manager = settings.NewSettingsManager(context.Background(), client, c.argocdNamespace)
		c.settings[c.argocdNamespace] = manager
	}
	return manager.GetResourceOverrides()
}

// load reads the schemas of all kinds, which diffs and syncs need. The first question comes after the kinds.
func (c *cluster) load() (err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.schema == nil {
		c.schema, c.types, err = c.kubectl.LoadOpenAPISchema(c.config)
	}
	return err
}

// live answers what the cluster holds of an object; nil where it holds none.
func (c *cluster) live(ctx context.Context, wanted *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live, err := c.kubectl.GetResource(
		ctx, c.config, wanted.GroupVersionKind(), wanted.GetName(), wanted.GetNamespace())
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return live, err
}

// diff compares as the application controller does.
func (c *cluster) diff(ctx context.Context, objects []*unstructured.Unstructured) (map[string]string, error) {
	if err := c.load(); err != nil {
		return nil, err
	}
	said, _, err := c.compare(ctx, objects)
	return said, err
}

// compare says of each object whether it is in sync, and what the cluster holds of it.
func (c *cluster) compare(
	ctx context.Context, objects []*unstructured.Unstructured,
) (map[string]string, []*unstructured.Unstructured, error) {
	lives := make([]*unstructured.Unstructured, len(objects))
	for i, object := range objects {
		if err := argo.NewResourceTracking().SetAppInstance(object, common.LabelKeyAppInstance, application,
			c.namespace, v1alpha1.TrackingMethodAnnotation, ""); err != nil {
			return nil, nil, err
		}
		live, err := c.live(ctx, object)
		if err != nil {
			return nil, nil, err
		}
		lives[i] = live
	}
	config, cleanup, err := c.diffConfig()
	if err != nil {
		return nil, nil, err
	}
	defer cleanup()
	results, err := argodiff.StateDiffs(lives, objects, config)
	if err != nil {
		return nil, nil, err
	}
	said := map[string]string{}
	for i, object := range objects {
		said[name(object)] = synced
		if lives[i] == nil {
			said[name(object)] = outOfSync + ": not there"
		} else if results.Diffs[i].Modified {
			patch, err := jsonpatch.CreateMergePatch(results.Diffs[i].NormalizedLive, results.Diffs[i].PredictedLive)
			if err != nil {
				return nil, nil, err
			}
			said[name(object)] = outOfSync + ": " + string(patch)
		}
	}
	return said, lives, nil
}

// diffConfig is that of an Application without ignoreDifferences and of an Argo CD without settings.
func (c *cluster) diffConfig() (argodiff.DiffConfig, func(), error) {
	// What Argo CD does by default: the status of no kind is compared.
	overrides := map[string]v1alpha1.ResourceOverride{
		"*/*": {IgnoreDifferences: v1alpha1.OverrideIgnoreDiff{JSONPointers: []string{"/status"}}},
	}
	builder := argodiff.NewDiffConfigBuilder().
		WithDiffSettings(nil, overrides, false, normalizers.IgnoreNormalizerOpts{}).
		WithTracking(common.LabelKeyAppInstance, string(v1alpha1.TrackingMethodAnnotation)).
		WithNoCache().
		WithIgnoreMutationWebhook(!c.webhookChanges).
		WithGVKParser(c.types).
		WithManager(common.ArgoCDSSAManager).
		WithStructuredMergeDiff(c.serverSideApply).
		WithServerSideDiff(c.serverSideDiff)
	cleanup := func() {}
	if c.serverSideDiff {
		unhindered := func(string) (kube.CleanupFunc, error) { return func() {}, nil }
		applier, remove, err := kubeutil.ManageServerSideDiffDryRuns(c.config, c.schema, unhindered)
		if err != nil {
			return nil, nil, err
		}
		builder.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier))
		cleanup = remove
	}
	config, err := builder.Build()
	return config, cleanup, err
}

// syncSaid is what an automatic sync did.
type syncSaid struct {
	Before  map[string]string         `json:"before"`
	Phase   synccommon.OperationPhase `json:"phase"`
	Message string                    `json:"message"`
}

// sync is an Application's automatic sync: nothing is applied where everything is in sync, unless asked by hand. Without health
// scripts one round applies all; with them a wave waits for the health of the one before, at most for c.patience.
func (c *cluster) sync(ctx context.Context, objects []*unstructured.Unstructured) (*syncSaid, error) {
	if err := c.load(); err != nil {
		return nil, err
	}
	before, lives, err := c.compare(ctx, objects)
	if err != nil {
		return nil, err
	}
	said := &syncSaid{Before: before}
	if !anyOutOfSync(before) && !c.byHand {
		return said, nil
	}
	// What left Git is there and has no target.
	for _, gone := range c.pruned {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(objects[0].GroupVersionKind())
		object.SetNamespace(c.namespace)
		object.SetName(gone)
		live, err := c.live(ctx, object)
		if err != nil {
			return nil, err
		}
		objects, lives = append(objects, nil), append(lives, live)
	}
	settings := []sync.SyncOpt{
		sync.WithOperationSettings(false, true, false, false),
		sync.WithServerSideApply(c.serverSideApply),
		sync.WithServerSideApplyManager(common.ArgoCDSSAManager),
	}
	if c.argocdNamespace != "" {
		overrides, err := c.overrides()
		if err != nil {
			return nil, err
		}
		settings = append(settings, sync.WithHealthOverride(lua.ResourceHealthOverrides(overrides)))
	}
	started := metav1.Now()
	var results []synccommon.ResourceSyncResult
	for {
		state := sync.WithInitialState(said.Phase, said.Message, results, started)
		if results, err = c.round(objects, lives, said, append(settings, state)); err != nil {
			return nil, err
		}
		if said.Phase.Completed() || time.Since(started.Time) > c.patience {
			break
		}
		time.Sleep(100 * time.Millisecond)
		for i, object := range objects {
			if object == nil {
				continue
			}
			if lives[i], err = c.live(ctx, object); err != nil {
				return nil, err
			}
		}
	}
	for _, result := range results {
		if result.Status == synccommon.ResultCodeSyncFailed {
			said.Message += "; " + result.ResourceKey.Name + ": " + result.Message
		}
	}
	return said, nil
}

// round goes on with a sync as the application controller does each time that it comes to it.
func (c *cluster) round(
	objects, lives []*unstructured.Unstructured, said *syncSaid, settings []sync.SyncOpt,
) ([]synccommon.ResourceSyncResult, error) {
	reconciliation := sync.ReconciliationResult{Live: lives, Target: objects}
	operation, cleanup, err := sync.NewSyncContext("revision", reconciliation, c.config, c.config, c.kubectl,
		c.namespace, c.schema, settings...)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	operation.Sync()
	var results []synccommon.ResourceSyncResult
	said.Phase, said.Message, results = operation.GetState()
	return results, nil
}

func anyOutOfSync(said map[string]string) bool {
	for _, code := range said {
		if code != synced {
			return true
		}
	}
	return false
}

func name(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetName()
}
