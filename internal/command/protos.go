package command

import (
	"fmt"

	"github.com/asc-gateway/asc-gateway/internal/comments"
	"github.com/asc-gateway/asc-gateway/internal/protofiles"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const protosLong = `Write the .proto files that clients of any language are generated from.

They carry every comment, and the packages and prefixes of Java, C#, Ruby, PHP and
Objective-C. --area writes only what the services of an area need; the area
"gateway" holds the gateway's own services.`

func protosCommand() *cobra.Command {
	var out string
	var areas []string
	var options bool
	cmd := &cobra.Command{
		Use:     "protos",
		Short:   "Write the .proto files that clients of any language are generated from",
		Long:    protosLong,
		Args:    cobra.NoArgs,
		Example: "  gateway protos --out protos --area testflight",
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := writeProtos(out, areas, options)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d files below %s\n", n, out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write to")
	cmd.Flags().StringSliceVar(&areas, "area", nil, "only of this area, such as testflight; may stand several times")
	cmd.Flags().BoolVar(
		&options,
		"options",
		false,
		"with the options that the gateway itself reads, and those of buf.validate",
	)
	_ = cmd.MarkFlagRequired("out") // the flag exists
	return cmd
}

// writeProtos returns how many files it wrote.
func writeProtos(out string, areas []string, options bool) (int, error) {
	files, err := protofiles.Area(protoregistry.GlobalFiles, areas...)
	if err != nil {
		return 0, err
	}
	change := protofiles.Change{Languages: true}
	if !options {
		change.Without = []string{"asc.options.v1", "buf.validate"}
	}
	if change.Comments, err = comments.Read(); err != nil {
		return 0, err
	}
	if files, err = change.Files(files...); err != nil {
		return 0, err
	}
	return protofiles.Write(out, files...)
}
