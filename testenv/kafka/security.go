package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Security is a second way into a broker: over TLS, by SASL's PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
type Security struct {
	// KeyStore is a file with the broker's key, in PKCS #8, and its certificates, in PEM.
	KeyStore string
	// Users are those of PLAIN, with their passwords. Those of SCRAM are made in the running broker, by its Address.
	Users map[string]string
}

// StartSecure is Start with a second way in. 2.8 has none.
func (l Line) StartSecure(ctx context.Context, data string, s Security) (*Broker, error) {
	if l.hasZooKeeper() {
		return nil, errors.New("only brokers without ZooKeeper start so")
	}
	return l.startAs(ctx, data, &s, nil)
}

// add appends the second listener to a properties file, in which what comes later counts.
func (s *Security) add(properties string, at places, port int) error {
	var users strings.Builder
	for name, password := range s.Users {
		fmt.Fprintf(&users, " user_%s=%q", name, password)
	}
	const login = "org.apache.kafka.common.security."
	text := fmt.Sprintf(`
listeners=PLAINTEXT://127.0.0.1:%[1]d,SECURE://127.0.0.1:%[2]d,CONTROLLER://127.0.0.1:%[3]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d,SECURE://127.0.0.1:%[2]d
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=%[4]s
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=%[5]splain.PlainLoginModule required%[6]s;
listener.name.secure.scram-sha-256.sasl.jaas.config=%[5]sscram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=%[5]sscram.ScramLoginModule required;
`, at.Port, port, at.Controller, s.KeyStore, login, users.String())
	file, err := os.OpenFile(properties, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
