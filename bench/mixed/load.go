package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// serve echoes on a port.
func serve(port string) error {
	l, err := net.Listen("tcp", net.JoinHostPort("", port))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() { // ends with its caller
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}()
	}
}

// call measures an address and prints what a row of the table has.
func call(addr string, trips, size int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	took, err := pingPong(conn, trips)
	if err != nil {
		return err
	}
	rate, err := flood(conn, size<<20)
	if err != nil {
		return err
	}
	fmt.Printf("%s | %s | %.0f MB/s\n", at(took, 50), at(took, 99), rate/1e6)
	return nil
}

func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[len(sorted)*percent/100].Round(time.Microsecond)
}

// pingPong returns the times of round trips, in order.
func pingPong(conn net.Conn, trips int) ([]time.Duration, error) {
	message := make([]byte, 100)
	took := make([]time.Duration, 0, trips)
	for n := range trips + trips/10 {
		began := time.Now()
		if _, err := conn.Write(message); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			return nil, err
		}
		if n >= trips/10 { // the first ones warm up
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	return took, nil
}

// flood writes and reads so many bytes at once, and returns how many came back a second.
func flood(conn net.Conn, size int) (float64, error) {
	began := time.Now()
	var writing sync.WaitGroup
	var failed error
	writing.Go(func() {
		chunk := make([]byte, 64<<10)
		for left := size; left > 0 && failed == nil; left -= len(chunk) {
			_, failed = conn.Write(chunk)
		}
	})
	n, err := io.CopyN(io.Discard, conn, int64(size))
	if err != nil {
		_ = conn.Close()
	}
	writing.Wait()
	return float64(n) / time.Since(began).Seconds(), errors.Join(err, failed)
}
