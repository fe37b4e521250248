package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// newSelftest returns `yett selftest`, which the chart's `helm test` runs: the image has no shell and no curl.
func newSelftest() *cobra.Command {
	var status int
	var limit time.Duration
	cmd := &cobra.Command{
		Use:    "selftest URL...",
		Short:  "Ask URLs until each has answered with the status",
		Args:   cobra.MinimumNArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, urls []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			for _, url := range urls {
				if err := askUntil(ctx, url, status); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), url, status)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&status, "status", http.StatusOK, "status that is wanted")
	cmd.Flags().DurationVar(&limit, "timeout", 30*time.Second, "time for all of them")
	return cmd
}

// askUntil asks until the answer has the status or the context ends. Certificates are not verified: without one
// of its own the controller shows a self-signed one.
func askUntil(ctx context.Context, url string, status int) error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for last := "no answer"; ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("ask %q: %w", url, err)
		}
		response, err := client.Do(request)
		if err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
			response.Body.Close()
			if response.StatusCode == status {
				return nil
			}
			last = response.Status
		} else if ctx.Err() == nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("ask %q: want status %d, have %s", url, status, last)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
