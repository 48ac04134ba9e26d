package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/export"
)

// scope is the name of what emits.
const scope = "github.com/seed64aab995/rescuekernel/record"

// ErrNotSent says that the SDK did not pass a record on.
var ErrNotSent = errors.New("the record was not sent")

// Config is where to and as whom.
type Config struct {
	// Endpoint is the collector's URL, "https://collector:4318/v1/logs". Empty: the
	// environment says, else OpenTelemetry's default.
	Endpoint string

	// Timeout is how long one record may take, tries after a failure included. 0: 10 s.
	Timeout time.Duration

	// Resource is who the records are of: service.name, host.name. nil: what the
	// environment says (OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME).
	Resource *resource.Resource

	// Options are passed on to the SDK's client, after what is above.
	Options []otlploghttp.Option
}

// Exporter sends records to a collector. Its methods may be called from any
// goroutine.
type Exporter struct {
	client   *otlploghttp.Exporter
	provider *sdk.LoggerProvider
	logger   log.Logger
	timeout  time.Duration
}

// New makes an exporter. It does not wait for the collector.
func New(ctx context.Context, c Config) (*Exporter, error) {
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	options := []otlploghttp.Option{
		otlploghttp.WithTimeout(c.Timeout),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: 100 * time.Millisecond, MaxInterval: 2 * time.Second, MaxElapsedTime: c.Timeout}),
	}
	if c.Endpoint != "" {
		options = append(options, otlploghttp.WithEndpointURL(c.Endpoint))
	}
	client, err := otlploghttp.New(ctx, append(options, c.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("OTLP exporter for %q: %w", c.Endpoint, err)
	}
	from := c.Resource
	if from == nil {
		if from, err = resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK()); err != nil {
			return nil, fmt.Errorf("OTLP exporter: %w", err)
		}
	}
	provider := sdk.NewLoggerProvider(sdk.WithResource(from), sdk.WithProcessor(sender{client}),
		sdk.WithAttributeValueLengthLimit(-1), sdk.WithAttributeCountLimit(-1))
	return &Exporter{client: client, provider: provider, logger: provider.Logger(scope), timeout: c.Timeout}, nil
}

// Export implements record.Exporter.
func (e *Exporter) Export(ctx context.Context, r *record.Record) error {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	result := ErrNotSent
	e.logger.Emit(context.WithValue(ctx, resultKey{}, &result), logRecord(r))
	if result != nil {
		return fmt.Errorf("OTLP: %w", result)
	}
	return nil
}

// Close ends the exporter.
func (e *Exporter) Close(ctx context.Context) error {
	if err := e.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("close the OTLP exporter: %w", err)
	}
	return nil
}

// resultKey finds in a context where the result of an Emit goes: the SDK's loggers
// give none back.
type resultKey struct{}

// sender is the SDK's processor: it sends at once.
type sender struct{ client *otlploghttp.Exporter }

func (s sender) Enabled(context.Context, sdk.EnabledParameters) bool { return true }

func (s sender) OnEmit(ctx context.Context, r *sdk.Record) error {
	err := s.client.Export(ctx, []sdk.Record{r.Clone()})
	if result, ok := ctx.Value(resultKey{}).(*error); ok {
		*result = err
	}
	return nil
}

func (s sender) Shutdown(ctx context.Context) error   { return s.client.Shutdown(ctx) }
func (s sender) ForceFlush(ctx context.Context) error { return s.client.ForceFlush(ctx) }

// logRecord is a record as OpenTelemetry has it.
func logRecord(r *record.Record) (l log.Record) {
	if r.Time != 0 {
		l.SetTimestamp(time.Unix(0, r.Time))
	}
	l.SetObservedTimestamp(time.Now())
	l.SetEventName(r.Class)
	l.SetSeverity(severity(r))
	l.SetSeverityText(severity(r).String())
	message := r.Message
	if message == "" {
		message = r.Class
	}
	l.SetBody(attribute.StringValue(message))
	for _, a := range export.Attributes(r) {
		l.AddAttributes(attribute.KeyValue{Key: attribute.Key("record." + a.Key), Value: value(a.Value)})
	}
	if record.Within(r.Class, "host.fault") || record.Within(r.Class, "task.fault") {
		l.AddAttributes(attribute.String("exception.type", r.Class), attribute.String("exception.message", message))
		if r.Trace != "" {
			l.AddAttributes(attribute.String("exception.stacktrace", r.Trace))
		}
	}
	return l
}

func severity(r *record.Record) log.Severity {
	switch level := export.Level(r); {
	case level > slog.LevelError:
		return log.SeverityFatal
	case level >= slog.LevelError:
		return log.SeverityError
	}
	return log.SeverityWarn
}

// value is an attribute's value. OTLP's integers are signed: one that has no room is
// text.
func value(v slog.Value) attribute.Value {
	switch v.Kind() {
	case slog.KindUint64:
		if n := v.Uint64(); n <= 1<<63-1 {
			return attribute.Int64Value(int64(n))
		}
	case slog.KindBool:
		return attribute.BoolValue(v.Bool())
	}
	return attribute.StringValue(v.String())
}
