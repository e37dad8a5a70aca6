// Command dashboard draws the dashboard for Grafana without Grafana: it records an operator's metrics in
// Prometheus' own storage, asks each panel's queries of Prometheus' own engine, and draws what it answers.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

const usage = `usage: dashboard record ADDRESS FOLDER            until standard input ends
       dashboard draw FOLDER DASHBOARD PICTURE`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	switch {
	case len(words) == 3 && words[0] == "record":
		return record(words[1], words[2])
	case len(words) == 4 && words[0] == "draw":
		return draw(words[1], words[2], words[3])
	default:
		return errors.New(usage)
	}
}

// draw writes the picture of a dashboard over a recording, as SVG.
func draw(folder, file, picture string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var shown dashboard
	if err := json.Unmarshal(text, &shown); err != nil {
		return err
	}
	recorded, err := open(folder, &shown)
	if err != nil {
		return err
	}
	defer recorded.db.Close()
	svg, err := shown.paint(recorded)
	if err != nil {
		return err
	}
	return os.WriteFile(picture, svg, 0o644)
}
