package main

import (
	"fmt"
	"strconv"

	"github.com/go-analyze/charts"
)

// Pixels of the picture, of its head, of Grafana's grid of 24 columns, and between panels.
const width, head, row, column, gap = 1200, 44, 27, width / 24, 4

// The colours of Grafana's dark theme.
var (
	canvas = charts.ParseColor("#111217")
	ground = charts.ParseColor("#181b1f")
	grid   = charts.ParseColor("#2b2e34")
	bright = charts.ParseColor("#d5d6e2")
	muted  = charts.ParseColor("#9a9cab")
	levels = map[string]charts.Color{
		"green": charts.ParseColor("#73bf69"), "orange": charts.ParseColor("#ff9830"), "red": charts.ParseColor("#f2495c"),
	}
	theme = charts.MakeTheme(charts.ThemeOption{
		IsDarkMode: true, BackgroundColor: ground, AxisStrokeColor: grid, AxisSplitLineColor: grid, TextColor: muted,
		SeriesColors: []charts.Color{
			levels["green"], charts.ParseColor("#f2cc0c"), charts.ParseColor("#5794f2"), levels["orange"],
			levels["red"], charts.ParseColor("#8ab8ff"), charts.ParseColor("#b877d9"), charts.ParseColor("#37872d"),
		},
	})
)

// paint draws all panels where the dashboard has them.
func (d *dashboard) paint(recorded *recording) ([]byte, error) {
	rows := 0
	for _, panel := range d.Panels {
		rows = max(rows, panel.GridPos.Y+panel.GridPos.H)
	}
	height := head + rows*row + gap
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height})
	p.FilledRect(0, 0, width, height, canvas, canvas, 0)
	write(p, d.Title, 3*gap, 30, 16, bright)
	for _, panel := range d.Panels {
		at := panel.GridPos
		box := charts.NewBox(at.X*column+gap, head+at.Y*row+gap, (at.X+at.W)*column-gap, head+(at.Y+at.H)*row-gap)
		if err := panel.paint(p.Child(charts.PainterBoxOption(box)), recorded); err != nil {
			return nil, err
		}
	}
	return p.Bytes()
}

func (p *panel) paint(on *charts.Painter, recorded *recording) error {
	if p.Type == "row" {
		write(on, p.Title, 2*gap, on.Height()-gap, 12, bright)
		return nil
	}
	lines, err := recorded.ask(p)
	if err != nil {
		return err
	}
	unit, known := units[p.FieldConfig.Defaults.Unit]
	if !known {
		return fmt.Errorf("panel %q: the unit %q is not drawn yet", p.Title, p.FieldConfig.Defaults.Unit)
	}
	on.FilledRect(0, 0, on.Width(), on.Height(), ground, grid, 1)
	write(on, p.Title, 3*gap, 22, 11, bright)
	below := on.Child(charts.PainterPaddingOption(charts.NewBox(3*gap, 32, 3*gap, gap)))
	switch p.Type {
	case "stat":
		p.paintLast(below, lines, unit)
		return nil
	case "timeseries":
		return p.paintLines(below, lines, unit, recorded)
	default:
		return fmt.Errorf("panel %q: panels of type %q are not drawn yet", p.Title, p.Type)
	}
}

// paintLast shows the last value of each series, with its name if the panel does, in the color of the highest threshold
// that it reaches.
func (p *panel) paintLast(on *charts.Painter, lines charts.LineSeriesList, unit func(float64) string) {
	for index, line := range lines {
		last, color, middle := 0.0, "green", (2*index+1)*on.Height()/(2*len(lines))
		for _, value := range line.Values {
			if value != charts.GetNullValue() {
				last = value
			}
		}
		for _, step := range p.FieldConfig.Defaults.Thresholds.Steps {
			if last >= step.Value {
				color = step.Color
			}
		}
		if p.Options.TextMode == "value_and_name" {
			write(on, line.Name, -1, middle-18, 15, levels[color])
			middle += 8
		}
		write(on, unit(last), -1, middle+16, 38, levels[color])
	}
}

func (p *panel) paintLines(
	on *charts.Painter, lines charts.LineSeriesList, unit func(float64) string, recorded *recording,
) error {
	defaults, small := p.FieldConfig.Defaults, charts.FontStyle{FontSize: 9, FontColor: muted}
	drawn := charts.NewLineChartOptionWithSeries(lines)
	drawn.Theme, drawn.Padding = theme, charts.NewBox(0, 0, 0, 0)
	drawn.StackSeries = charts.Ptr(defaults.Custom.Stacking.Mode == "normal")
	drawn.FillArea = charts.Ptr(defaults.Custom.FillOpacity > 0)
	drawn.FillOpacity = uint8(255 * defaults.Custom.FillOpacity / 100)
	drawn.LineStrokeWidth, drawn.Symbol = 1.5, charts.Symbol{Shape: charts.SymbolNone}
	drawn.Legend.FontStyle, drawn.Legend.Symbol = small, charts.SymbolSquare
	drawn.Legend.Offset = charts.OffsetStr{Left: charts.PositionLeft, Top: charts.PositionBottom}
	drawn.XAxis.LabelFontStyle, drawn.XAxis.BoundaryGap = small, charts.Ptr(false)
	for index, step := range recorded.steps {
		drawn.XAxis.Labels[index] = step.Format("15:04:05")
	}
	drawn.XAxis.LabelCount = p.GridPos.W / 2
	drawn.YAxis = []charts.YAxisOption{{
		Min: defaults.Min, Max: defaults.Max, LabelCount: 5, LabelFontStyle: small, ValueFormatter: unit,
		SplitLineShow: charts.Ptr(true),
	}}
	return on.LineChart(drawn)
}

// write puts a line of text from x on, or into the middle where x is negative.
func write(on *charts.Painter, text string, x, y int, size float64, color charts.Color) {
	style := charts.FontStyle{FontSize: size, FontColor: color}
	if x < 0 {
		x = (on.Width() - on.MeasureText(text, 0, style).Width()) / 2
	}
	on.Text(text, x, y, 0, style)
}

// units write values as Grafana does, by the names that it has for them.
var units = map[string]func(float64) string{
	"none":        number,
	"short":       number,
	"opm":         func(value float64) string { return number(value) + " ops/m" },
	"reqpm":       func(value float64) string { return number(value) + " req/m" },
	"percentunit": func(value float64) string { return number(100*value) + "%" },
	"s": func(value float64) string {
		switch {
		case value > 0 && value < 1:
			return number(1000*value) + " ms"
		case value < 60:
			return number(value) + " s"
		default:
			return number(value/60) + " min"
		}
	},
}

func number(value float64) string {
	if value >= 1000 {
		return number(value/1000) + " K"
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}
