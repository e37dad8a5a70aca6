package main

import (
	"math"
	"strconv"
)

// units write values as Grafana does, by the name that a panel has for its unit.
var units = map[string]func(float64) string{
	"none":        number,
	"short":       number,
	"opm":         func(value float64) string { return number(value) + " ops/m" },
	"reqpm":       func(value float64) string { return number(value) + " req/m" },
	"percentunit": func(value float64) string { return number(100*value) + "%" },
	"s":           seconds,
}

func number(value float64) string {
	if math.Abs(value) >= 1000 {
		return number(value/1000) + " K"
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}

func seconds(value float64) string {
	switch {
	case value == 0 || value >= 1 && value < 60:
		return number(value) + " s"
	case value < 1:
		return number(1000*value) + " ms"
	default:
		return number(value/60) + " mins"
	}
}
