package main

import (
	"fmt"

	"github.com/go-analyze/charts"
)

// Pixels of the picture, and of a row of Grafana's grid of 24 columns.
const (
	width  = 1200
	head   = 44
	row    = 27
	column = width / 24
	gap    = 4
)

// The colours of Grafana's dark theme.
var (
	canvas = charts.ParseColor("#111217")
	ground = charts.ParseColor("#181b1f")
	border = charts.ParseColor("#2a2d33")
	grid   = charts.ParseColor("#2b2e34")
	bright = charts.ParseColor("#d5d6e2")
	muted  = charts.ParseColor("#9a9cab")
	colors = map[string]charts.Color{
		"green": charts.ParseColor("#73bf69"), "orange": charts.ParseColor("#ff9830"), "red": charts.ParseColor("#f2495c"),
	}
	theme = charts.MakeTheme(charts.ThemeOption{
		IsDarkMode: true, BackgroundColor: ground, AxisStrokeColor: grid, AxisSplitLineColor: grid, TextColor: muted,
		SeriesColors: []charts.Color{
			colors["green"], charts.ParseColor("#f2cc0c"), charts.ParseColor("#5794f2"), colors["orange"],
			colors["red"], charts.ParseColor("#8ab8ff"), charts.ParseColor("#b877d9"), charts.ParseColor("#37872d"),
		},
	})
)

// paint draws all panels where the dashboard has them.
func paint(shown *dashboard, recorded *recording) ([]byte, error) {
	rows := 0
	for _, panel := range shown.Panels {
		rows = max(rows, panel.GridPos.Y+panel.GridPos.H)
	}
	height := head + rows*row + gap
	p := charts.NewPainter(charts.PainterOptions{
		OutputFormat: charts.ChartOutputSVG, Width: width, Height: height, Theme: theme,
	})
	p.FilledRect(0, 0, width, height, canvas, canvas, 0)
	p.Text(shown.Title, 3*gap, 29, 0, charts.FontStyle{FontSize: 15, FontColor: bright})
	for _, panel := range shown.Panels {
		at := panel.GridPos
		left, top := at.X*column+gap, head+at.Y*row+gap
		right, bottom := (at.X+at.W)*column-gap, head+(at.Y+at.H)*row-gap
		child := p.Child(charts.PainterBoxOption(charts.NewBox(left, top, right, bottom)))
		if err := panel.paint(child, recorded); err != nil {
			return nil, err
		}
	}
	return p.Bytes()
}

func (p *panel) paint(on *charts.Painter, recorded *recording) error {
	title := charts.FontStyle{FontSize: 11, FontColor: bright}
	if p.Type == "row" {
		on.Text(p.Title, 2*gap, on.Height()-gap, 0, charts.FontStyle{FontSize: 12.5, FontColor: bright})
		return nil
	}
	unit, known := units[p.FieldConfig.Defaults.Unit]
	if !known {
		return fmt.Errorf("panel %q: the unit %q is not drawn yet", p.Title, p.FieldConfig.Defaults.Unit)
	}
	lines, err := recorded.ask(p)
	if err != nil {
		return err
	}
	on.FilledRect(0, 0, on.Width(), on.Height(), ground, border, 1)
	on.Text(p.Title, 3*gap, 22, 0, title)
	below := on.Child(charts.PainterPaddingOption(charts.NewBox(3*gap, 32, 3*gap, gap)))
	switch p.Type {
	case "stat":
		p.paintStat(below, lines, unit)
		return nil
	case "timeseries":
		return p.paintLines(below, lines, unit, recorded)
	default:
		return fmt.Errorf("panel %q: panels of type %q are not drawn yet", p.Title, p.Type)
	}
}

// paintStat shows the last value of each series, with its name if the panel does.
func (p *panel) paintStat(on *charts.Painter, lines []series, unit func(float64) string) {
	share := on.Height() / len(lines)
	for index, line := range lines {
		last := 0.0
		for _, value := range line.values {
			if value != charts.GetNullValue() {
				last = value
			}
		}
		color, middle := colors[p.color(last)], index*share+share/2
		if p.Options.TextMode == "value_and_name" {
			centered(on, line.name, middle-18, charts.FontStyle{FontSize: 15, FontColor: color})
			middle += 8
		}
		centered(on, unit(last), middle+16, charts.FontStyle{FontSize: 38, FontColor: color})
	}
}

func centered(on *charts.Painter, text string, y int, style charts.FontStyle) {
	on.Text(text, (on.Width()-on.MeasureText(text, 0, style).Width())/2, y, 0, style)
}

func (p *panel) paintLines(on *charts.Painter, lines []series, unit func(float64) string, recorded *recording) error {
	values, names := [][]float64{}, []string{}
	for _, line := range lines {
		values, names = append(values, line.values), append(names, line.name)
	}
	defaults, small := p.FieldConfig.Defaults, charts.FontStyle{FontSize: 9, FontColor: muted}
	drawn := charts.NewLineChartOptionWithData(values)
	drawn.Theme, drawn.Padding = theme, charts.NewBox(0, 0, 0, 0)
	drawn.StackSeries = charts.Ptr(defaults.Custom.Stacking.Mode == "normal")
	drawn.FillArea = charts.Ptr(defaults.Custom.FillOpacity > 0)
	drawn.FillOpacity = uint8(255 * defaults.Custom.FillOpacity / 100)
	drawn.LineStrokeWidth, drawn.Symbol = 1.5, charts.Symbol{Shape: charts.SymbolNone}
	drawn.Legend = charts.LegendOption{
		SeriesNames: names, FontStyle: small, Symbol: charts.SymbolSquare,
		Offset: charts.OffsetStr{Left: charts.PositionLeft, Top: charts.PositionBottom},
	}
	drawn.XAxis = charts.XAxisOption{LabelFontStyle: small, BoundaryGap: charts.Ptr(false)}
	for _, step := range recorded.steps() {
		drawn.XAxis.Labels = append(drawn.XAxis.Labels, step.Format("15:04:05"))
	}
	drawn.XAxis.LabelCount = 1 + int(recorded.to.Sub(recorded.from)/(30*1e9))
	drawn.YAxis = []charts.YAxisOption{{
		Min: defaults.Min, Max: defaults.Max, LabelCount: 5, LabelFontStyle: small, ValueFormatter: unit,
		SplitLineShow: charts.Ptr(true),
	}}
	return on.LineChart(drawn)
}
