// Package telemetry tells what the gateway does, by OpenTelemetry. So far that
// is metrics, in Prometheus' text on the ops port.
//
// Values come from whoever owns them, by [Instrument]; nothing here keeps any.
// No id of a resource, no principal and no secret may become an attribute.
package telemetry

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Instrument is a value that is asked for when it is scraped.
type Instrument struct {
	Name  string // "ascgateway.audit.sequence"
	Unit  string // UCUM: "s", "{record}"
	About string
	Sum   bool // it only grows
	// Observe reports the value, once for each set of attributes.
	Observe func(report Report)
}

// Report takes a value; labels are names and values in turn.
type Report func(value float64, labels ...string)

// Metrics serves instruments.
type Metrics struct {
	provider *sdkmetric.MeterProvider
	handler  http.Handler
}

// New makes the instruments.
func New(instruments []Instrument) (*Metrics, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	m := &Metrics{provider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)),
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})}
	meter := m.provider.Meter("github.com/asc-gateway/asc-gateway")
	for _, i := range instruments {
		if err := i.register(meter); err != nil {
			return nil, err
		}
	}
	return m, nil
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
		_, err := meter.Float64ObservableCounter(i.Name, metric.WithUnit(i.Unit), metric.WithDescription(i.About), metric.WithFloat64Callback(observe))
		return err
	}
	_, err := meter.Float64ObservableGauge(i.Name, metric.WithUnit(i.Unit), metric.WithDescription(i.About), metric.WithFloat64Callback(observe))
	return err
}

// ServeHTTP answers with all values, as text.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Close ends the instruments.
func (m *Metrics) Close() error { return m.provider.Shutdown(context.Background()) }
