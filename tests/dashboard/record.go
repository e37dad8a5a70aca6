package main

import (
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

// interval is how often metrics are scraped, and the time between two points of a panel.
const interval = 5 * time.Second

// settings are Prometheus' own; the label is one that it adds to every target in a cluster.
const settings = `
scrape_configs:
  - job_name: auth0-user-operator
    scrape_interval: %[1]s
    scrape_timeout: %[1]s
`

// record scrapes the metrics at an address into a folder until standard input ends.
func record(address, folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	db, err := tsdb.Open(folder, promslog.NewNopLogger(), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	logger := promslog.New(&promslog.Config{Level: promslog.NewLevel()})
	configuration, err := config.Load(fmt.Sprintf(settings, interval), logger)
	if err != nil {
		return err
	}
	options := &scrape.Options{DiscoveryReloadOnStartup: true}
	manager, err := scrape.NewManager(options, logger, nil, nil, db, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	if err := manager.ApplyConfig(configuration); err != nil {
		return err
	}
	targets := make(chan map[string][]*targetgroup.Group, 1)
	targets <- map[string][]*targetgroup.Group{"auth0-user-operator": {{
		Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(address)}},
		Labels:  model.LabelSet{"namespace": "auth0-user-operator"},
	}}}
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(targets) }()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	manager.Stop()
	if err := <-ended; err != nil {
		return err
	}
	return db.Close()
}
