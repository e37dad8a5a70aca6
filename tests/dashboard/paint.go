package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-analyze/charts"
)

// Pixels of the picture, of its head, of Grafana's grid of 24 columns, between panels, and of a line of a legend.
const width, head, row, column, gap, line = 1080, 42, 29, width / 24, 4, 15

// The colours of Grafana's dark theme.
var (
	canvas, ground, grid = charts.ParseColor("#111217"), charts.ParseColor("#181b1f"), charts.ParseColor("#2b2e34")
	bright, muted        = charts.ParseColor("#d5d6e2"), charts.ParseColor("#a3a5b3")
	named                = map[string]charts.Color{
		"green": charts.ParseColor("#73bf69"), "yellow": charts.ParseColor("#f2cc0c"), "blue": charts.ParseColor("#5794f2"),
		"orange": charts.ParseColor("#ff9830"), "red": charts.ParseColor("#f2495c"), "purple": charts.ParseColor("#b877d9"),
		"light-blue": charts.ParseColor("#8ab8ff"), "dark-green": charts.ParseColor("#37872d"),
	}
	small   = charts.FontStyle{FontSize: 9, FontColor: muted}
	palette = []string{"green", "yellow", "light-blue", "orange", "red", "blue", "purple", "dark-green"}
	theme   = charts.MakeTheme(charts.ThemeOption{
		IsDarkMode: true, BackgroundColor: ground, AxisStrokeColor: grid, AxisSplitLineColor: grid, TextColor: muted,
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
	if !known || p.Type != "stat" && p.Type != "timeseries" {
		return fmt.Errorf("panel %q: cannot draw a %s in %s", p.Title, p.Type, p.FieldConfig.Defaults.Unit)
	}
	on.FilledRect(0, 0, on.Width(), on.Height(), ground, grid, 1)
	write(on, p.Title, 3*gap, 22, 11, bright)
	below := on.Child(charts.PainterPaddingOption(charts.NewBox(3*gap, 34, 4*gap, 2*gap)))
	if p.Type == "timeseries" {
		return p.paintLines(below, lines, unit)
	}
	p.paintLast(below, lines, unit)
	return nil
}

// paintLast shows the last value of each series in the color of the highest threshold that it reaches, below its name.
func (p *panel) paintLast(on *charts.Painter, lines charts.LineSeriesList, unit func(float64) string) {
	for index, series := range lines {
		known := slices.DeleteFunc(series.Values, isNull)
		last, color, middle := known[len(known)-1], "green", (2*index+1)*on.Height()/(2*len(lines))
		for _, step := range p.FieldConfig.Defaults.Thresholds.Steps {
			if last >= step.Value {
				color = step.Color
			}
		}
		if series.Name != "" {
			write(on, series.Name, -1, middle-14, 12, muted)
			middle += 12
		}
		write(on, unit(last), -1, middle+10, 28, named[color])
	}
}

func (p *panel) paintLines(on *charts.Painter, lines charts.LineSeriesList, unit func(float64) string) error {
	custom, colors := p.FieldConfig.Defaults.Custom, p.colors(lines)
	stacked := custom.Stacking.Mode == "normal"
	drawn := charts.NewLineChartOptionWithSeries(lines)
	drawn.Theme, drawn.Padding = theme.WithSeriesColors(colors), charts.NewBox(0, 0, 0, 0)
	drawn.Symbol, drawn.LineStrokeWidth = charts.Symbol{Shape: charts.SymbolNone}, 1.5
	if custom.LineWidth != nil {
		drawn.LineStrokeWidth = max(1.5**custom.LineWidth, 0.001)
	}
	drawn.StackSeries, drawn.FillArea = charts.Ptr(stacked), charts.Ptr(custom.FillOpacity > 0)
	drawn.FillOpacity, drawn.Legend.Show = uint8(255*custom.FillOpacity/100), charts.Ptr(false)
	drawn.XAxis.LabelFontStyle, drawn.XAxis.BoundaryGap = small, charts.Ptr(false)
	for index := range drawn.XAxis.Labels {
		drawn.XAxis.Labels[index] = fmt.Sprintf("%.fm", (interval * time.Duration(index)).Minutes())
	}
	drawn.XAxis.LabelCount = 1 + int(interval*time.Duration(len(drawn.XAxis.Labels)-1)/time.Minute)
	padding := charts.NewBox(0, 0, 0, legend(on, lines, colors))
	top, labels := p.scale(lines, stacked, (on.Height()-padding.Bottom)/18)
	drawn.YAxis = []charts.YAxisOption{{
		Min: charts.Ptr(0.0), Max: &top, LabelCount: labels, LabelFontStyle: small, ValueFormatter: unit,
		SplitLineShow: charts.Ptr(true),
	}}
	return on.Child(charts.PainterPaddingOption(padding)).LineChart(drawn)
}

func isNull(value float64) bool { return value == charts.GetNullValue() }

// scale answers the upper end of the axis, round if the panel does not have one, and how many labels it gets at most.
func (p *panel) scale(lines charts.LineSeriesList, stacked bool, most int) (float64, int) {
	top, sums := 0.0, make([]float64, len(lines[0].Values))
	for _, series := range lines {
		for index, value := range series.Values {
			if isNull(value) {
				continue
			}
			if sums[index] += value; !stacked {
				sums[index] = value
			}
			top = max(top, sums[index])
		}
	}
	if p.FieldConfig.Defaults.Max != nil {
		return *p.FieldConfig.Defaults.Max, 5
	}
	if top == 0 {
		return 1, 2
	}
	power, step := math.Pow(10, math.Floor(math.Log10(top))), 0.0
	for _, step = range []float64{power / 5, power / 2, power, 2 * power, 5 * power} {
		if top <= step*float64(most-1) {
			break
		}
	}
	steps := math.Ceil(top / step)
	return steps * step, 1 + int(steps)
}

// colors are those that the panel has for a name, and for others those of the palette.
func (p *panel) colors(lines charts.LineSeriesList) []charts.Color {
	var colors []charts.Color
	for index, series := range lines {
		color := palette[index%len(palette)]
		for _, override := range p.FieldConfig.Overrides {
			pattern := strings.Trim(override.Matcher.Options, "/")
			if override.Matcher.ID == "byName" {
				pattern = "^" + regexp.QuoteMeta(pattern) + "$"
			}
			if matches, _ := regexp.MatchString(pattern, series.Name); matches {
				color = override.Properties[0].Value.FixedColor
			}
		}
		colors = append(colors, named[color])
	}
	return colors
}

// legend writes the names at the lower end, and answers how high that is. Browsers have fonts that are a little wider.
func legend(on *charts.Painter, lines charts.LineSeriesList, colors []charts.Color) int {
	x, rows, lefts, below := 0, 1, []int{}, []int{}
	for _, series := range lines {
		takes := 9*on.MeasureText(series.Name, 0, small).Width()/8 + 32
		if x > 0 && x+takes > on.Width()+12 {
			x, rows = 0, rows+1
		}
		lefts, below, x = append(lefts, x), append(below, rows), x+takes
	}
	for index, series := range lines {
		y := on.Height() - (rows-below[index])*line
		on.FilledRect(lefts[index], y-5, lefts[index]+12, y-2, colors[index], colors[index], 0)
		on.Text(series.Name, lefts[index]+17, y, 0, small)
	}
	return rows*line + gap
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
		case value < 120:
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
