// Reads requests from standard input, and says what the manual's program makes of each.
package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"strings"
)

func main() {
	var asked []struct{ Method, Target, Assertion string }
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	answers := []any{}
	for _, one := range asked {
		head := one.Method + " " + one.Target + " HTTP/1.1\r\nHost: api\r\nX-Postern-Assertion: " + one.Assertion + "\r\n\r\n"
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			panic(err)
		}
		if claims, err := asserted(request); err != nil {
			answers = append(answers, err.Error())
		} else {
			answers = append(answers, claims)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
