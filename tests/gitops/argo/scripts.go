package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	jsonpatch "github.com/evanphx/json-patch"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// health judges what the cluster holds, by the scripts of argocd-cm.
func (c *cluster) health(
	ctx context.Context, objects []*unstructured.Unstructured,
) (map[string]*health.HealthStatus, error) {
	overrides, err := c.overrides()
	if err != nil {
		return nil, err
	}
	all := map[string]*health.HealthStatus{}
	for _, object := range objects {
		live, err := c.mustLive(ctx, object)
		if err != nil {
			return nil, err
		}
		said, err := health.GetResourceHealth(live, lua.ResourceHealthOverrides(overrides))
		if err != nil {
			return nil, err
		}
		all[name(object)] = said
	}
	return all, nil
}

// actions lists what can be done with what the cluster holds.
func (c *cluster) actions(
	ctx context.Context, objects []*unstructured.Unstructured,
) (map[string][]v1alpha1.ResourceAction, error) {
	overrides, err := c.overrides()
	if err != nil {
		return nil, err
	}
	all := map[string][]v1alpha1.ResourceAction{}
	for _, object := range objects {
		live, err := c.mustLive(ctx, object)
		if err != nil {
			return nil, err
		}
		if all[name(object)], err = discover(lua.VM{ResourceOverrides: overrides}, live); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func discover(vm lua.VM, object *unstructured.Unstructured) ([]v1alpha1.ResourceAction, error) {
	scripts, err := vm.GetResourceActionDiscovery(object)
	if err != nil {
		return nil, err
	}
	return vm.ExecuteResourceActionDiscovery(object, scripts)
}

// act runs one action and patches the object as Argo CD's API server does (RunResourceActionV2 of its
// server/application, which nothing outside of it can call): with the merge patch from what the cluster
// holds to what the script answered. It prints these patches.
func (c *cluster) act(
	ctx context.Context, objects []*unstructured.Unstructured,
) (map[string]json.RawMessage, error) {
	overrides, err := c.overrides()
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	for _, object := range objects {
		live, err := c.mustLive(ctx, object)
		if err != nil {
			return nil, err
		}
		changed, err := execute(lua.VM{ResourceOverrides: overrides}, live, c.action)
		if err != nil {
			return nil, err
		}
		before, err := json.Marshal(live)
		if err != nil {
			return nil, err
		}
		after, err := json.Marshal(changed)
		if err != nil {
			return nil, err
		}
		patch, err := jsonpatch.CreateMergePatch(before, after)
		if err != nil {
			return nil, err
		}
		if err := c.patch(ctx, live, patch); err != nil {
			return nil, err
		}
		all[name(object)] = patch
	}
	return all, nil
}

// patch sends what is changed of status by itself, and then the rest.
func (c *cluster) patch(ctx context.Context, live *unstructured.Unstructured, patch []byte) error {
	var rest map[string]any
	if err := json.Unmarshal(patch, &rest); err != nil {
		return err
	}
	send := func(what map[string]any, subresources ...string) error {
		bytes, err := json.Marshal(what)
		if err == nil {
			_, err = c.kubectl.PatchResource(ctx, c.config, live.GroupVersionKind(), live.GetName(),
				live.GetNamespace(), types.MergePatchType, bytes, subresources...)
		}
		return err
	}
	if status, changed := rest["status"]; changed {
		if err := send(map[string]any{"status": status}, "status"); err != nil {
			return err
		}
		delete(rest, "status")
	}
	if len(rest) == 0 {
		return nil
	}
	return send(rest)
}

// execute runs an action that changes its own object.
func execute(vm lua.VM, object *unstructured.Unstructured, action string) (*unstructured.Unstructured, error) {
	definition, err := vm.GetResourceAction(object, action)
	if err != nil {
		return nil, err
	}
	changed, err := vm.ExecuteResourceAction(object, definition.ActionLua, nil)
	if err != nil {
		return nil, err
	}
	if len(changed) != 1 || changed[0].K8SOperation != lua.PatchOperation {
		return nil, errors.New("the action does not change its own object, and nothing else")
	}
	return changed[0].UnstructuredObj, nil
}

func (c *cluster) mustLive(ctx context.Context, wanted *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live, err := c.live(ctx, wanted)
	if err == nil && live == nil {
		err = fmt.Errorf("%s is not in namespace %s: apply it first", name(wanted), wanted.GetNamespace())
	}
	return live, err
}
