package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Instrument is a value that is asked for when it is scraped.
type Instrument struct {
	Name   string // "ascgateway.audit.sequence"
	Unit   string // UCUM: "s", "{record}"
	About  string
	Labels string // names of attributes, for the table
	Sum    bool   // it only grows
	// Observe reports the value, once for each set of attributes.
	Observe func(report Report)
}

// Report takes a value; labels are names and values in turn.
type Report func(value float64, labels ...string)

// Observe registers instruments.
func (t *Telemetry) Observe(list []Instrument) error {
	meter := t.Meter.Meter(Scope)
	for _, i := range list {
		if err := i.register(meter); err != nil {
			return err
		}
	}
	return nil
}

func (i Instrument) register(meter metric.Meter) error {
	observe := func(_ context.Context, o metric.Float64Observer) error {
		i.Observe(func(value float64, labels ...string) {
			attributes := make([]attribute.KeyValue, 0, len(labels)/2)
			for j := 0; j+1 < len(labels); j += 2 {
				attributes = append(attributes, attribute.String(labels[j], labels[j+1]))
			}
			o.Observe(value, metric.WithAttributes(attributes...))
		})
		return nil
	}
	if i.Sum {
		_, err := meter.Float64ObservableCounter(
			i.Name,
			metric.WithUnit(i.Unit),
			metric.WithDescription(i.About),
			metric.WithFloat64Callback(observe),
		)
		return err
	}
	_, err := meter.Float64ObservableGauge(
		i.Name,
		metric.WithUnit(i.Unit),
		metric.WithDescription(i.About),
		metric.WithFloat64Callback(observe),
	)
	return err
}
