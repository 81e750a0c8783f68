package main

import (
	"fmt"
	"os"

	"github.com/asc-gateway/asc-gateway/internal/apispec"
)

func main() {
	g := apispec.Generation{Root: ".", Spec: os.Args[1]}
	r, err := g.Run()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, n := range r.Notices {
		fmt.Println("notice", n)
	}
	fmt.Printf("%+v\n", r.Counts)
	if err := g.Write(r); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
