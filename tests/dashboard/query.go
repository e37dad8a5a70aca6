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
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

// recording is what was scraped, and what answers queries about it.
type recording struct {
	db        *tsdb.DB
	engine    *promql.Engine
	variables *strings.Replacer
	from, to  time.Time
}

// series is one line of a panel; a step without a value is null.
type series struct {
	name   string
	values []float64
}

func open(folder string, variables *strings.Replacer) (*recording, error) {
	db, err := tsdb.Open(folder, promslog.NewNopLogger(), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return nil, err
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
	from, to := time.UnixMilli(db.Head().MinTime()), time.UnixMilli(db.Head().MaxTime())
	return &recording{db, engine, variables, from.Truncate(interval), to.Truncate(interval)}, nil
}

func (r *recording) close() {
	_ = r.engine.Close()
	_ = r.db.Close()
}

// steps are the times at which queries are answered.
func (r *recording) steps() []time.Time {
	var steps []time.Time
	for step := r.from; !step.After(r.to); step = step.Add(interval) {
		steps = append(steps, step)
	}
	return steps
}

// ask answers the queries of a panel. One without any value would draw nothing in Grafana either: it asks for what
// the operator does not expose, or the recorded load is not one that shows it.
func (r *recording) ask(p *panel) ([]series, error) {
	var all []series
	for _, target := range p.Targets {
		query := r.variables.Replace(target.Expr)
		if strings.Contains(query, "$") {
			return nil, fmt.Errorf("panel %q: a variable is unknown: %s", p.Title, query)
		}
		matrix, err := r.answer(query)
		if err != nil {
			return nil, fmt.Errorf("panel %q: %w", p.Title, err)
		}
		lines := r.lines(matrix, target.LegendFormat)
		if len(lines) == 0 {
			return nil, fmt.Errorf("panel %q: no data for %s", p.Title, query)
		}
		all = append(all, lines...)
	}
	return all, nil
}

func (r *recording) answer(query string) (promql.Matrix, error) {
	ctx := context.Background()
	asked, err := r.engine.NewRangeQuery(ctx, r.db, nil, query, r.from, r.to, interval)
	if err != nil {
		return nil, err
	}
	matrix, err := asked.Exec(ctx).Matrix()
	sort.Sort(matrix)
	return matrix, err
}

// lines are the series that have a value at all.
func (r *recording) lines(matrix promql.Matrix, legend string) []series {
	var lines []series
	for _, found := range matrix {
		line, known := series{name: named(legend, found.Metric)}, false
		for range r.steps() {
			line.values = append(line.values, charts.GetNullValue())
		}
		for _, point := range found.Floats {
			if !math.IsNaN(point.F) {
				line.values[time.UnixMilli(point.T).Sub(r.from)/interval], known = point.F, true
			}
		}
		if known {
			lines = append(lines, line)
		}
	}
	return lines
}

var label = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// named puts labels into the name of a series.
func named(legend string, metric labels.Labels) string {
	return label.ReplaceAllStringFunc(legend, func(found string) string {
		return metric.Get(label.FindStringSubmatch(found)[1])
	})
}
