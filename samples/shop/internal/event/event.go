// Package event is what the shop's services tell each other through RabbitMQ and Kafka.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"shop/internal/money"
)

// The types of events. A type is also the routing key on the RabbitMQ exchange.
const (
	Placed   = "orders.placed"
	Declined = "orders.declined"
	Shipped  = "orders.shipped"
)

// Event is one fact about one order.
type Event struct {
	ID         string      `json:"id"`
	Type       string      `json:"type"`
	At         time.Time   `json:"at"`
	OrderID    string      `json:"order_id"`
	Customer   string      `json:"customer"`
	Lines      []Line      `json:"lines,omitempty"`
	TotalCents money.Cents `json:"total_cents,omitempty"`
	ShipTo     Address     `json:"ship_to,omitzero"`
	Reason     string      `json:"reason,omitempty"`   // of a decline
	Tracking   string      `json:"tracking,omitempty"` // of a shipment
}

// Line is a quantity of one product.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Address is where a parcel goes.
type Address struct {
	Country  string `json:"country"`
	Postcode string `json:"postcode"`
}

// Encode is e as it travels.
func (e Event) Encode() ([]byte, error) { return json.Marshal(e) }

// Decode reads an event and refuses one that names no type or no order.
func Decode(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("no event: %w", err)
	}
	if e.Type == "" || e.OrderID == "" {
		return Event{}, errors.New("no event: type or order_id is missing")
	}
	return e, nil
}
