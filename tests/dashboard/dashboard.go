package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// dashboard is what the picture shows of Grafana's JSON.
type dashboard struct {
	Title      string
	Panels     []panel
	Templating struct {
		List []struct{ Name, AllValue string }
	}
}

type panel struct {
	Title, Type string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct {
		Defaults struct {
			Unit     string
			Min, Max *float64
			Custom   struct {
				Stacking    struct{ Mode string }
				FillOpacity float64
				LineWidth   *float64
			}
			Thresholds struct {
				Steps []struct {
					Color string
					Value *float64
				}
			}
		}
	}
	Options struct{ TextMode string }
	Targets []struct{ Expr, LegendFormat string }
}

func readDashboard(file string) (*dashboard, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	read := &dashboard{}
	if err := json.Unmarshal(text, read); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return read, nil
}

// variables puts in what Grafana does where all namespaces and all jobs are selected. With such a short time shown,
// a step is as long as the scrape interval, and Grafana takes a rate over four of these.
func (d *dashboard) variables() *strings.Replacer {
	pairs := []string{"$__rate_interval", (4 * interval).String()}
	for _, variable := range d.Templating.List {
		if variable.AllValue != "" {
			pairs = append(pairs, "$"+variable.Name, variable.AllValue)
		}
	}
	return strings.NewReplacer(pairs...)
}

// color is that of the highest threshold that a value reaches.
func (p *panel) color(value float64) string {
	reached := "green"
	for _, step := range p.FieldConfig.Defaults.Thresholds.Steps {
		if step.Value == nil || value >= *step.Value {
			reached = step.Color
		}
	}
	return reached
}
