package main

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/go-analyze/charts"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

// dashboard is what is drawn of Grafana's JSON.
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
					Value float64
				}
			}
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct{ Value struct{ FixedColor string } }
		}
	}
	Targets []struct{ Expr, LegendFormat string }
}

// recording is what was scraped, what answers queries about it, and for when: every step of its whole minutes.
type recording struct {
	db        *tsdb.DB
	engine    *promql.Engine
	variables *strings.Replacer
	steps     []time.Time
}

// open puts in for variables what Grafana does where all namespaces and all jobs are selected. For so short a time, its
// step is the scrape interval, and the interval of its rates four of these.
func open(folder string, shown *dashboard) (*recording, error) {
	db, err := tsdb.Open(folder, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return nil, err
	}
	values := []string{"$__rate_interval", (4 * interval).String()}
	for _, variable := range shown.Templating.List {
		values = append(values, "$"+variable.Name, variable.AllValue)
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
	recorded := &recording{db: db, engine: engine, variables: strings.NewReplacer(values...)}
	first := time.UnixMilli(db.Head().MinTime())
	minutes := time.UnixMilli(db.Head().MaxTime()).Sub(first).Truncate(time.Minute)
	for step := time.Duration(0); step <= minutes; step += interval {
		recorded.steps = append(recorded.steps, first.Add(step))
	}
	return recorded, nil
}

// ask answers the queries of a panel with named lines. A query without any value draws nothing in Grafana either: it
// asks for what the operator does not expose, or what was recorded does not show it.
func (r *recording) ask(p *panel) (lines charts.LineSeriesList, err error) {
	for _, target := range p.Targets {
		query, before := r.variables.Replace(target.Expr), len(lines)
		if lines, err = r.answer(query, target.LegendFormat, lines); err != nil {
			return nil, fmt.Errorf("panel %q: %w", p.Title, err)
		}
		if len(lines) == before {
			return nil, fmt.Errorf("panel %q: no data for %s", p.Title, query)
		}
	}
	return lines, nil
}

var label = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// answer appends the series that have a value at all; where one has none, it is null.
func (r *recording) answer(query, legend string, lines charts.LineSeriesList) (charts.LineSeriesList, error) {
	ctx, first, last := context.Background(), r.steps[0], r.steps[len(r.steps)-1]
	asked, err := r.engine.NewRangeQuery(ctx, r.db, nil, query, first, last, interval)
	if err != nil {
		return nil, err
	}
	matrix, err := asked.Exec(ctx).Matrix()
	sort.Sort(matrix)
	for _, found := range matrix {
		line, known := charts.LineSeries{}, false
		line.Name = label.ReplaceAllStringFunc(legend, func(name string) string {
			return found.Metric.Get(label.FindStringSubmatch(name)[1])
		})
		for range r.steps {
			line.Values = append(line.Values, charts.GetNullValue())
		}
		for _, point := range found.Floats {
			if !math.IsNaN(point.F) {
				line.Values[time.UnixMilli(point.T).Sub(first)/interval], known = point.F, true
			}
		}
		if known {
			lines = append(lines, line)
		}
	}
	return lines, err
}
