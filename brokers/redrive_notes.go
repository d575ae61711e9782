package brokers

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

	"msdev/brokers/wire"
)

// notes are the journal of a Redrive: a first line that says which, and then a line for each step.
//
//	owe PRINT          a queue's message is confirmed, and still in its queue
//	paid PRINT         it was removed
//	done PART OFFSET   a topic's record is confirmed
//
// Lines reach the system at once, so they outlive a killed process; only a machine that loses power may lose the last ones.
type notes struct {
	file *os.File // nil: nothing is kept
	path string
	now  map[string]int // owed in this generation of held messages, by print
	debt map[string]int // owed from before: such a message is removed when it is met
	done map[int32]map[int64]bool
}

type noteHead struct {
	Redrive Source `json:"redrive"`
	Broker  string `json:"broker"`
}

// openNotes begins a journal or goes on with one, which must be of the same Redrive.
func openNotes(path string, head noteHead) (*notes, error) {
	n := &notes{path: path, now: map[string]int{}, debt: map[string]int{}, done: map[int32]map[int64]bool{}}
	if path == "" {
		return n, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	n.file = file
	fresh, err := n.load(head)
	if err == nil && fresh {
		var line []byte
		if line, err = json.Marshal(head); err == nil {
			_, err = file.Write(append(line, '\n'))
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return n, nil
}

func (n *notes) load(head noteHead) (fresh bool, err error) {
	lines := bufio.NewScanner(n.file)
	if !lines.Scan() {
		return true, lines.Err()
	}
	var was noteHead
	if json.Unmarshal(lines.Bytes(), &was) != nil {
		return false, fmt.Errorf("%s is no journal of a redrive\nName another file.", n.path)
	}
	if !reflect.DeepEqual(was, head) {
		return false, fmt.Errorf("%s is the journal of a redrive of %s on %s\nName another file, or remove it.", n.path, was.Redrive, was.Broker)
	}
	for line := 2; lines.Scan(); line++ {
		if err := n.apply(lines.Bytes()); err != nil {
			return false, fmt.Errorf("%s:%d: %w\nRemove the file to start anew; what was confirmed is then sent again.", n.path, line, err)
		}
	}
	n.carryOver()
	return false, lines.Err()
}

func (n *notes) apply(line []byte) error {
	var print string
	var partition int32
	var offset int64
	switch verb, rest, _ := bytes.Cut(line, []byte(" ")); string(verb) {
	case "owe", "paid":
		if print = string(rest); len(print) != 2*printSize {
			return nil // the last line of a process that was killed in the middle of it
		}
		if string(verb) == "owe" {
			n.now[print]++
		} else {
			n.settle(print)
		}
	case "done":
		if _, err := fmt.Sscanf(string(rest), "%d %d.", &partition, &offset); err != nil {
			return nil //nolint:nilerr // torn, as above: a whole line ends with a full stop
		}
		n.mark(partition, offset)
	default:
		return fmt.Errorf("%q is no step of a redrive", line)
	}
	return nil
}

func (n *notes) settle(print string) {
	owed := n.now
	if n.debt[print] > 0 {
		owed = n.debt
	}
	if owed[print]--; owed[print] <= 0 {
		delete(owed, print)
	}
}

func (n *notes) mark(partition int32, offset int64) {
	if n.done[partition] == nil {
		n.done[partition] = map[int64]bool{}
	}
	n.done[partition][offset] = true
}

func (n *notes) has(partition int32, offset int64) bool { return n.done[partition][offset] }

func (n *notes) record(partition int32, offset int64) error {
	n.mark(partition, offset)
	return n.write(fmt.Sprintf("done %d %d.\n", partition, offset))
}

// owes tells whether a message was confirmed before it came back to its queue.
func (n *notes) owes(print string) bool { return n.debt[print] > 0 }

func (n *notes) owe(print string) error {
	n.now[print]++
	return n.write("owe " + print + "\n")
}

// paid notes that a message is out of its queue; old says that it was owed from before.
func (n *notes) paid(print string, old bool) error {
	owed := n.now
	if old {
		owed = n.debt
	}
	if owed[print]--; owed[print] <= 0 {
		delete(owed, print)
	}
	return n.write("paid " + print + "\n")
}

// carryOver makes debts of what is owed: what was held is in its queue again.
func (n *notes) carryOver() {
	for print, count := range n.now {
		n.debt[print] += count
	}
	clear(n.now)
}

func (n *notes) write(line string) error {
	if n.file == nil {
		return nil
	}
	_, err := n.file.WriteString(line)
	return err
}

// close ends it. A queue's journal with nothing owed has served its purpose.
func (n *notes) close(queue bool) error {
	if n.file == nil {
		return nil
	}
	err := n.file.Close()
	if queue && err == nil && len(n.now) == 0 && len(n.debt) == 0 {
		return os.Remove(n.path)
	}
	return err
}

const printSize = 16

// fingerprint names a message by all that stays the same when it goes back to its queue and is taken again.
func fingerprint(m *Message) string {
	h := sha256.New()
	part := func(b []byte) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(b)))
		h.Write(size[:])
		h.Write(b)
	}
	part([]byte(m.Exchange))
	part([]byte(m.RoutingKey))
	props := m.Properties
	props.Headers = m.Headers.Without("x-delivery-count").Without("x-acquired-count")
	if len(props.Headers) == 0 {
		props.Has &^= wire.HasHeaders
	}
	part(props.Append(nil))
	part(m.Body)
	return hex.EncodeToString(h.Sum(nil)[:printSize])
}
