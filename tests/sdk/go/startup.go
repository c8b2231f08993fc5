package main

import (
	"log"
	"net"
	"time"

	"go.temporal.io/sdk/client"
)

// connect waits for the port, then for the service behind it, as the chapter's worker does.
func connect(host string) client.Client {
	for i := 1; i <= 60; i++ {
		c, err := net.DialTimeout("tcp", host, 2*time.Second)
		if err == nil {
			_ = c.Close()
			break
		}
		log.Printf("waiting for %s, attempt %d", host, i)
		time.Sleep(1 * time.Second)
	}
	for attempt := 1; ; attempt++ {
		c, err := client.Dial(client.Options{HostPort: host})
		if err == nil {
			return c
		}
		delay := time.Duration(min(attempt, 15)) * time.Second
		log.Printf("not ready, retrying in %s: %v", delay, err)
		time.Sleep(delay)
	}
}
