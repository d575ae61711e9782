package process

import (
	"net"
	"regexp"
	"strconv"
	"strings"
)

// finder tells where a port of a service answers, by any name that the service has; false for what is no service, or cannot
// be reached from here.
type finder func(name string, port int) (addr string, ok bool)

// schemes are the ports that URLs mean without saying.
var schemes = map[string]int{
	"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379, "postgres": 5432, "postgresql": 5432, "mysql": 3306, "mariadb": 3306,
	"mongodb": 27017, "http": 80, "https": 443, "ws": 80, "wss": 443, "nats": 4222, "kafka": 9092, "mqtt": 1883, "ldap": 389, "memcached": 11211,
}

var (
	hostPort = regexp.MustCompile(`[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?:\d{1,5}`)
	bareURL  = regexp.MustCompile(`([a-z][a-z0-9+.-]*)://([^\s/@,;"']*@)?([A-Za-z0-9_][A-Za-z0-9_.-]*)`)
)

// rewrite replaces each host and port in a text that names a service by where it answers.
func rewrite(text string, find finder) string {
	return rewritePorts(rewriteURLs(text, find), find)
}

// rewritePorts replaces NAME:PORT, where it stands for itself: not as a part of a longer word, nor as the user and password
// of a URL.
func rewritePorts(text string, find finder) string {
	var b strings.Builder
	done := 0
	for _, at := range hostPort.FindAllStringIndex(text, -1) {
		if at[0] > 0 && strings.IndexByte(".-%$", text[at[0]-1]) >= 0 || at[1] < len(text) && !ends(text[at[1]]) {
			continue
		}
		name, port, _ := strings.Cut(text[at[0]:at[1]], ":")
		n, _ := strconv.Atoi(port)
		if addr, ok := find(name, n); ok {
			b.WriteString(text[done:at[0]] + addr)
			done = at[1]
		}
	}
	return b.String() + text[done:]
}

// ends tells whether a byte can follow a port.
func ends(c byte) bool {
	return !(c == '@' || c == '_' || c == ':' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
}

// rewriteURLs gives URLs that name a service and no port the port of their scheme, in place.
func rewriteURLs(text string, find finder) string {
	var b strings.Builder
	done := 0
	for _, m := range bareURL.FindAllStringSubmatchIndex(text, -1) {
		if m[7] < len(text) && strings.IndexByte(":@%", text[m[7]]) >= 0 {
			continue
		}
		scheme, _, _ := strings.Cut(text[m[2]:m[3]], "+") // postgresql+asyncpg, mongodb+srv
		port, known := schemes[scheme]
		if !known {
			continue
		}
		if addr, ok := find(text[m[6]:m[7]], port); ok {
			b.WriteString(text[done:m[6]] + addr)
			done = m[7]
		}
	}
	return b.String() + text[done:]
}

// rewritePairs replaces a host and its port that stand in two variables, as in DB_HOST=db and DB_PORT=5432. A host without
// a port goes to the address that the service's only host has.
func rewritePairs(env map[string]string, find finder) {
	for key, name := range env {
		prefix, ok := strings.CutSuffix(key, "HOST")
		if !ok {
			continue
		}
		portKey := prefix + "PORT"
		port, err := strconv.Atoi(env[portKey])
		addr, found := find(name, port)
		if !found {
			continue
		}
		host, actual, splitErr := net.SplitHostPort(addr)
		if splitErr != nil {
			continue
		}
		env[key] = host
		if err == nil {
			env[portKey] = actual
		}
	}
}
