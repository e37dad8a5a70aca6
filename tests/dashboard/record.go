package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	// interval is how often metrics are scraped, and the time between two points of a panel.
	interval = 5 * time.Second
	name     = "auth0-user-operator"
	settings = "scrape_configs: [{job_name: %[1]s, scrape_interval: %[2]s, scrape_timeout: %[2]s}]"
)

// record scrapes the metrics at an address into a folder until standard input ends.
func record(address, folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	db, err := tsdb.Open(folder, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	configuration, err := config.Load(fmt.Sprintf(settings, name, interval), promslog.NewNopLogger())
	if err != nil {
		return err
	}
	options := &scrape.Options{DiscoveryReloadOnStartup: true}
	scraper, err := scrape.NewManager(options, nil, nil, nil, db, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	if err := scraper.ApplyConfig(configuration); err != nil {
		return err
	}
	targets := make(chan map[string][]*targetgroup.Group, 1)
	targets <- map[string][]*targetgroup.Group{name: {{
		Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(address)}},
		Labels:  model.LabelSet{"namespace": name},
	}}}
	go scraper.Run(targets)
	_, err = io.Copy(io.Discard, os.Stdin)
	scraper.Stop()
	return errors.Join(err, db.Close())
}
