package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// requestedAt holds the time of the test, not that of the expected output.
const requestedAt = "auth0-user-operator.dev/requested-at"

// healthTests is Argo CD's health_test.yaml.
type healthTests struct {
	Tests []struct {
		InputPath    string              `json:"inputPath"`
		HealthStatus health.HealthStatus `json:"healthStatus"`
	} `json:"tests"`
}

// actionTests is Argo CD's action_test.yaml.
type actionTests struct {
	DiscoveryTests []struct {
		InputPath string                    `json:"inputPath"`
		Result    []v1alpha1.ResourceAction `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action               string `json:"action"`
		InputPath            string `json:"inputPath"`
		ExpectedOutputPath   string `json:"expectedOutputPath"`
		ExpectedErrorMessage string `json:"expectedErrorMessage"`
	} `json:"actionTests"`
}

// runTests runs every health_test.yaml and action_test.yaml below a directory, as Argo CD's own tests do.
// It answers for each input "" or what is wrong.
func runTests(root string) (map[string]string, error) {
	said := map[string]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Base(path) {
		case "health_test.yaml":
			return runHealthTests(path, said)
		case "action_test.yaml":
			return runActionTests(path, said)
		default:
			return nil
		}
	})
	return said, err
}

func runHealthTests(path string, said map[string]string) error {
	var tests healthTests
	script, err := os.ReadFile(filepath.Join(filepath.Dir(path), "health.lua"))
	if err == nil {
		err = readYAML(path, &tests)
	}
	if err != nil {
		return err
	}
	for _, test := range tests.Tests {
		input := filepath.Join(filepath.Dir(path), test.InputPath)
		object, err := readObject(input)
		if err != nil {
			return err
		}
		// No open libraries: the script has to do with what argocd-cm gives it.
		result, err := lua.VM{}.ExecuteHealthLua(object, string(script))
		if err != nil {
			return fmt.Errorf("%s: %w", input, err)
		}
		said["health "+input] = difference(test.HealthStatus, *result)
	}
	return nil
}

func runActionTests(path string, said map[string]string) error {
	var tests actionTests
	if err := readYAML(path, &tests); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	for _, test := range tests.DiscoveryTests {
		input := filepath.Join(dir, test.InputPath)
		object, err := readObject(input)
		if err != nil {
			return err
		}
		script, err := os.ReadFile(filepath.Join(dir, "discovery.lua"))
		if err != nil {
			return err
		}
		result, err := lua.VM{}.ExecuteResourceActionDiscovery(object, []string{string(script)})
		if err != nil {
			return fmt.Errorf("%s: %w", input, err)
		}
		said["discovery "+input] = difference(test.Result, result)
	}
	for _, test := range tests.ActionTests {
		input := filepath.Join(dir, test.InputPath)
		object, err := readObject(input)
		if err != nil {
			return err
		}
		script, err := os.ReadFile(filepath.Join(dir, test.Action, "action.lua"))
		if err != nil {
			return err
		}
		impacted, err := lua.VM{}.ExecuteResourceAction(object, string(script), nil)
		if test.ExpectedErrorMessage != "" {
			said["action "+test.Action+" "+input] = difference(test.ExpectedErrorMessage, fmt.Sprint(err))
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", input, err)
		}
		expected, err := readObject(filepath.Join(dir, test.ExpectedOutputPath))
		if err != nil {
			return err
		}
		if len(impacted) != 1 {
			return fmt.Errorf("%s: %d objects are changed, not one", input, len(impacted))
		}
		result := impacted[0].UnstructuredObj
		setTime(expected, result)
		said["action "+test.Action+" "+input] = difference(expected.Object, result.Object)
	}
	return nil
}

// setTime puts the time that the script wrote into the expected output, if it is the present time.
func setTime(expected, result *unstructured.Unstructured) {
	written := result.GetAnnotations()[requestedAt]
	at, err := time.Parse(time.RFC3339, written)
	if err != nil || time.Since(at).Abs() > time.Minute {
		return
	}
	annotations := expected.GetAnnotations()
	if _, present := annotations[requestedAt]; present {
		annotations[requestedAt] = written
		expected.SetAnnotations(annotations)
	}
}

func difference(expected, result any) string {
	if reflect.DeepEqual(expected, result) {
		return ""
	}
	return fmt.Sprintf("expected %+v, got %+v", expected, result)
}

func readObject(path string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		text, err = yaml.YAMLToJSONStrict(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// Numbers are then of the type that the API server's answers have.
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(text)
}

func readYAML(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
