package front

import (
	"io"
	"net"
	"sync"
)

// Join copies between two connections, in both directions, and closes both when it is done. The end of one direction is passed
// on (CloseWrite, where the connection has it) and leaves the other one open; a broken connection ends both.
func Join(a, b net.Conn) {
	var back sync.WaitGroup
	back.Go(func() { half(a, b) })
	half(b, a)
	back.Wait()
	_ = a.Close()
	_ = b.Close()
}

// half copies one direction and passes its end on.
func half(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err == nil {
		if t, ok := to.(interface{ CloseWrite() error }); ok {
			_ = t.CloseWrite() // one that is gone already is found out by the other direction
			return
		}
	}
	_ = to.Close()
	_ = from.Close()
}
