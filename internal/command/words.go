package command

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/cli"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// inPlainWords makes errors of the command line say what is missing or too much,
// in the words of the command's own help.
func inPlainWords(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return cli.Usage(flagError(c, err)) })
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if err == nil || cli.ExitCode(err) == cli.ExitUsage {
				return err
			}
			return cli.Usage(argumentError(c, args))
		}
	}
	for _, sub := range cmd.Commands() {
		if sub.HasSubCommands() && sub.RunE == nil && sub.Run == nil {
			sub.Args = cobra.ArbitraryArgs
			sub.RunE = func(c *cobra.Command, args []string) error {
				if len(args) == 0 {
					return c.Help()
				}
				return cli.Usage(unknownCommand(c, args[0]))
			}
		}
		inPlainWords(sub)
	}
}

// pathOf is a command without the program: policy test.
func pathOf(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

var argumentOf = regexp.MustCompile(`[A-Z][A-Za-z_.]+`)

// argumentError says which argument of the usage line is missing, or that there
// is one too many.
func argumentError(c *cobra.Command, args []string) string {
	_, rest, _ := strings.Cut(c.Use, " ")
	var names []string
	for word := range strings.FieldsSeq(strings.NewReplacer("[", " ", "]", " ").Replace(rest)) {
		if argumentOf.FindString(word) == word {
			names = append(names, word)
		}
	}
	switch {
	case len(args) < len(names):
		return fmt.Sprintf("%s: missing %s: %s", pathOf(c), names[len(args)], c.UseLine())
	case len(names) == 0:
		return fmt.Sprintf("%s: takes no arguments, but got %q", pathOf(c), args[0])
	}
	return fmt.Sprintf("%s: too many arguments, from %q on: %s", pathOf(c), args[len(names)], c.UseLine())
}

// flagError says what is wrong with a flag.
func flagError(c *cobra.Command, err error) string {
	var none *pflag.NotExistError
	var novalue *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &none):
		name := none.GetSpecifiedName()
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
		dashes := "--"
		if len(name) == 1 {
			dashes = "-"
		}
		return fmt.Sprintf("%s: there is no flag %s%s%s", pathOf(c), dashes, name, cli.Hint("--"+name, known))
	case errors.As(err, &novalue):
		return fmt.Sprintf("%s: --%s: missing its value", pathOf(c), novalue.GetSpecifiedName())
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		return fmt.Sprintf("%s: --%s: %q is no %s", pathOf(c), f.Name, invalid.GetValue(), kindOfFlag(f))
	}
	return fmt.Sprintf("%s: the flags cannot be read: see --help", pathOf(c))
}

func kindOfFlag(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int", "int64", "float64":
		return "number"
	case "duration":
		return "duration such as 90s"
	case "stringToString":
		return "NAME=VALUE"
	}
	return "value of it"
}

func unknownCommand(c *cobra.Command, word string) string {
	var names []string
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	of := ""
	if c.HasParent() {
		of = pathOf(c) + ": "
	}
	return fmt.Sprintf("%sthere is no command %q%s", of, word, cli.Hint(word, names))
}

var (
	requiredFlags  = regexp.MustCompile(`^required flag\(s\) (.*) not set$`)
	noSuchCommand  = regexp.MustCompile(`^unknown command "([^"]*)" for`)
	flagsOfCommand = strings.NewReplacer(`"`, "", ", ", ", --")
)

// usage turns what cobra itself finds into our words.
func usage(root *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	if m := requiredFlags.FindStringSubmatch(err.Error()); m != nil {
		return cli.Usage("missing --" + flagsOfCommand.Replace(m[1]))
	}
	if m := noSuchCommand.FindStringSubmatch(err.Error()); m != nil {
		return cli.Usage(unknownCommand(root, m[1]))
	}
	return err
}
