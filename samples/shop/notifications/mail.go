package main

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"shop/internal/event"
	"shop/internal/rabbit"
)

// letter is what the customer is told about e. An event that nobody is told about cannot be mended
// by trying again.
func letter(e event.Event) (subject string, err error) {
	switch e.Type {
	case event.Placed:
		return fmt.Sprintf("Thank you for your order of %s", e.TotalCents), nil
	case event.Declined:
		return "Your payment did not go through: " + e.Reason, nil
	case event.Shipped:
		return "Your parcel is on its way: " + e.Tracking, nil
	}
	return "", rabbit.Permanent(fmt.Errorf("no letter for %s", e.Type))
}

// mailServer stands for one that is busy now and then.
type mailServer struct{ failRate float64 }

func (m mailServer) send(string, string) error {
	if rand.Float64() < m.failRate {
		return errors.New("mail server: 451 try again later")
	}
	return nil
}
