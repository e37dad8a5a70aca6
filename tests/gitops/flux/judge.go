package main

import (
	"context"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/cli-utils/pkg/object"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Who kustomize-controller is to the API server.
const (
	fieldManager = "kustomize-controller"
	group        = "kustomize.toolkit.fluxcd.io"
)

// cluster is what Kustomizations are applied with.
type cluster struct {
	client  client.Client
	manager *ssa.ResourceManager
}

func newCluster(kubeconfig string) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	// No question waits for another one.
	config.QPS = -1
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return nil, err
	}
	kube, err := client.New(config, client.Options{HTTPClient: httpClient, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	poller := polling.NewStatusPoller(kube, mapper, polling.Options{})
	manager := ssa.NewResourceManager(kube, poller, ssa.Owner{Field: fieldManager, Group: group})
	return &cluster{client: kube, manager: manager}, nil
}

// apply does what kustomize-controller does with a Kustomization of that namespace, named "judge".
func (c *cluster) apply(
	ctx context.Context, namespace string, objects []*unstructured.Unstructured,
) (map[string]ssa.Action, error) {
	c.manager.SetOwnerLabels(objects, "judge", namespace)
	if err := normalize.UnstructuredList(objects); err != nil {
		return nil, err
	}
	options := ssa.DefaultApplyOptions()
	options.Cleanup = cleanup()
	changes, err := c.manager.ApplyAllStaged(ctx, objects, options)
	if err != nil {
		return nil, err
	}
	return changes.ToMap(), nil
}

// cleanup takes fields over from earlier appliers, as kustomize-controller does.
func cleanup() ssa.ApplyCleanupOptions {
	return ssa.ApplyCleanupOptions{
		Annotations: []string{corev1.LastAppliedConfigAnnotation},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: fieldManager, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
	}
}

// wait is the health check of "wait: true". It answers nil, or why it failed.
func (c *cluster) wait(ctx context.Context, objects []*unstructured.Unstructured, timeout time.Duration) *string {
	set := object.UnstructuredSetToObjMetadataSet(objects)
	// kustomize-controller polls every 5 s; how often has no influence on the outcome.
	options := ssa.WaitOptions{Interval: 100 * time.Millisecond, Timeout: timeout}
	if err := c.manager.WaitForSetWithContext(ctx, set, options); err != nil {
		why := err.Error()
		return &why
	}
	return nil
}

// said is what kstatus says of one object.
type said struct {
	Status  kstatus.Status `json:"status"`
	Message string         `json:"message"`
}

// status computes each object's status from what the cluster holds.
func (c *cluster) status(ctx context.Context, objects []*unstructured.Unstructured) (map[string]said, error) {
	all := map[string]said{}
	for _, wanted := range objects {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(wanted.GroupVersionKind())
		if err := c.client.Get(ctx, client.ObjectKeyFromObject(wanted), live); err != nil {
			return nil, err
		}
		result, err := kstatus.Compute(live)
		if err != nil {
			return nil, err
		}
		all[wanted.GetKind()+"/"+wanted.GetName()] = said{result.Status, result.Message}
	}
	return all, nil
}
