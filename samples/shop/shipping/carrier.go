package main

import (
	"context"
	"crypto/rand"
	"errors"
	mrand "math/rand/v2"
	"strings"
	"time"

	"shop/internal/backoff"
	"shop/internal/event"
)

// lostPostcode is one that the carrier never manages to look up: the shop's poisoned message.
const lostPostcode = "00000"

// carrier stands for the company that moves the parcels.
type carrier struct {
	failRate float64       // share of bookings that time out, and work when tried again
	latency  time.Duration // at most
}

// book returns a tracking number.
func (c carrier) book(ctx context.Context, to event.Address) (string, error) {
	if err := backoff.Wait(ctx, mrand.N(c.latency+1)); err != nil {
		return "", err
	}
	switch {
	case to.Postcode == lostPostcode:
		return "", errors.New("carrier: 500 postcode lookup failed for " + to.Postcode)
	case mrand.Float64() < c.failRate:
		return "", errors.New("carrier: timed out")
	}
	return strings.ToUpper(to.Country) + rand.Text()[:10], nil
}
