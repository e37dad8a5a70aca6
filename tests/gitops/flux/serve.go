package main

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
)

// question is one line of standard input: a command with its flags, and the manifests that it is about.
type question struct {
	ID    int      `json:"id"`
	Words []string `json:"words"`
	Input string   `json:"input"`
}

// reply is one line of standard output: what was said, or why nothing was.
type reply struct {
	ID    int    `json:"id"`
	Said  any    `json:"said"`
	Error string `json:"error,omitempty"`
}

// serve answers questions as they come, several at once, until there is no more input.
func serve(in io.Reader, out io.Writer, answer func(words []string, input string) (any, error)) error {
	questions, replies := json.NewDecoder(in), json.NewEncoder(out)
	var one sync.Mutex
	for {
		var asked question
		if err := questions.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		go func() {
			said, err := answer(asked.Words, asked.Input)
			told := reply{ID: asked.ID, Said: said}
			if err != nil {
				told = reply{ID: asked.ID, Error: err.Error()}
			}
			one.Lock()
			defer one.Unlock()
			if err := replies.Encode(told); err != nil {
				panic(err)
			}
		}()
	}
}
