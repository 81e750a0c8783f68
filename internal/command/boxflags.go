package command

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/cli"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/spf13/cobra"
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
	flags.DurationVar(&w.Times.Run, prefix+"run-time", 0, "how long a run of Xcode Cloud takes; 0: as --processing says")
	flags.DurationVar(&w.Times.Report, prefix+"report-time", 0,
		"how long the first analytics take after their request; 0: as --processing says")
	flags.Float64Var(&w.Sales, prefix+"sales", 1, "how much is sold, 1 as by a small organisation; below 0: nothing")
	flags.BoolVar(&w.OneByOne, prefix+"one-by-one", false,
		"refuse several prices or offers of a subscription in one PATCH: nobody knows whether Apple takes them")
	flags.DurationVar(&w.Auto.Review, prefix+"auto-review", 0, "App Review decides by itself after this; 0: never")
	flags.DurationVar(&w.Auto.BetaReview, prefix+"auto-beta-review", 0,
		"Beta App Review decides by itself after this; 0: never")
	flags.Float64Var(&w.Auto.Approve, prefix+"approve", 1, "chance that a review approves, above 0 to 1")
	flags.Uint64Var(&w.Random, prefix+"random", 0, "seed of all ids and chances")
	flags.Var(&seedFlag{seed: &w.Seed}, prefix+"seed", "YAML file of resources that a new world has too")
	flags.Var((*worldsFlag)(&w.PerKey), prefix+"worlds", "one, or per-key: each key has a world of its own")
	flags.StringVar(&w.State, prefix+"state", "", "directory in which the world is kept; default: nowhere")
	flags.BoolVar(&w.Empty, prefix+"empty", false, "start with nothing but territories, categories and the account holder")
}

// checkWorld says which flag of worldFlags has a value that is none.
func checkWorld(command, prefix string, w sandbox.World) error {
	for _, x := range []struct {
		name string
		d    time.Duration
	}{
		{"upload-time", w.Times.Upload}, {"build-time", w.Times.Build}, {"device-time", w.Times.Device},
		{"cancel-time", w.Times.Cancel}, {"run-time", w.Times.Run}, {"report-time", w.Times.Report},
		{"auto-review", w.Auto.Review}, {"auto-beta-review", w.Auto.BetaReview},
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

// seedFlag reads the file of --seed.
type seedFlag struct {
	file string
	seed *[]byte
}

func (f *seedFlag) String() string { return f.file }
func (f *seedFlag) Type() string   { return "FILE" }

func (f *seedFlag) Set(file string) (err error) {
	f.file = file
	*f.seed, err = os.ReadFile(file)
	return err
}

// worldsFlag is --worlds: whether each key has its own.
type worldsFlag bool

func (f *worldsFlag) Type() string { return "WORLDS" }

func (f *worldsFlag) String() string {
	if *f {
		return "per-key"
	}
	return "one"
}

func (f *worldsFlag) Set(text string) error {
	if text != "one" && text != "per-key" {
		return errors.New("want one or per-key")
	}
	*f = text == "per-key"
	return nil
}

// seedSchemaCommand prints the JSON Schema of --seed.
func seedSchemaCommand() *cobra.Command {
	return &cobra.Command{Use: "seed-schema", Short: "Print the JSON Schema of --seed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := sandbox.SeedSchema()
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", schema)
			}
			return err
		}}
}
