package command

import (
	"fmt"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/cli"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/spf13/pflag"
)

// worldFlags adds the flags that say how the world of a sandbox moves. All names
// begin with prefix.
func worldFlags(flags *pflag.FlagSet, prefix string, w *sandbox.World) {
	flags.DurationVar(&w.Times.Upload, prefix+"upload-time", 0, "how long an upload takes; 0: as --processing says")
	flags.DurationVar(&w.Times.Build, prefix+"build-time", 0, "how long a build takes; 0: as --processing says")
	flags.DurationVar(&w.Times.Device, prefix+"device-time", 0, "how long a new device takes; 0: as --processing says")
	flags.DurationVar(&w.Times.Cancel, prefix+"cancel-time", 0,
		"how long the cancel of a review submission takes; 0: as --processing says")
	flags.DurationVar(&w.Auto.Review, prefix+"auto-review", 0, "App Review decides by itself after this; 0: never")
	flags.DurationVar(&w.Auto.BetaReview, prefix+"auto-beta-review", 0,
		"Beta App Review decides by itself after this; 0: never")
	flags.Float64Var(&w.Auto.Approve, prefix+"approve", 1, "chance that a review approves, above 0 to 1")
	flags.Uint64Var(&w.Random, prefix+"random", 0, "seed of all ids and chances")
	flags.StringVar(&w.State, prefix+"state", "", "directory in which the world is kept; default: nowhere")
	flags.BoolVar(&w.Empty, prefix+"empty", false, "start without any resource but territories")
}

// checkWorld says which flag of worldFlags has a value that is none.
func checkWorld(command, prefix string, w sandbox.World) error {
	for _, x := range []struct {
		name string
		d    time.Duration
	}{
		{"upload-time", w.Times.Upload}, {"build-time", w.Times.Build}, {"device-time", w.Times.Device},
		{"cancel-time", w.Times.Cancel}, {"auto-review", w.Auto.Review}, {"auto-beta-review", w.Auto.BetaReview},
	} {
		if x.d < 0 {
			return cli.Usage(fmt.Sprintf("%s: --%s%s is not below zero", command, prefix, x.name))
		}
	}
	if !(w.Auto.Approve > 0 && w.Auto.Approve <= 1) {
		return cli.Usage(fmt.Sprintf("%s: --%sapprove is above 0 and at most 1", command, prefix))
	}
	return nil
}
