package command

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/cli"
	"golang.org/x/term"
)

// logging is where records go.
type logging struct {
	handler slog.Handler
	level   *slog.LevelVar // nil: the level is fixed
}

// newLogging writes to standard error: JSON, or on a terminal lines for people.
// Without a level the configuration says it, also later.
func newLogging(w io.Writer, level string) (*logging, error) {
	fixed := slog.LevelInfo
	if level != "" && fixed.UnmarshalText([]byte(level)) != nil {
		return nil, cli.Usage("--log-level: want debug, info, warn or error")
	}
	f, ok := w.(*os.File)
	people := ok && term.IsTerminal(int(f.Fd()))
	if level == "" {
		v := &slog.LevelVar{}
		return &logging{newHandler(w, v, people), v}, nil
	}
	return &logging{newHandler(w, fixed, people), nil}, nil
}

// newHandler writes JSON, or for people text with the time of day.
func newHandler(w io.Writer, level slog.Leveler, people bool) slog.Handler {
	if !people {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	timeOfDay := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly))
		}
		return a
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: timeOfDay})
}
