package session

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// BrokerTLS says which certificates count on a connection by amqps or kafkas, in files. The zero value is what the system trusts.
type BrokerTLS struct {
	CA         string // whom to trust instead of the system's authorities
	Cert, Key  string // who we are, where the broker asks
	ServerName string // the name that the broker's certificate has, where it is not its host's
}

// The parameters of a broker's URL, as RabbitMQ names them for its clients.
const (
	paramCA         = "cacertfile"
	paramCert       = "certfile"
	paramKey        = "keyfile"
	paramServerName = "server_name_indication"
)

// takeTLS takes the parameters of TLS out of a query. Relative files are the folder's.
func takeTLS(q url.Values, dir string) BrokerTLS {
	take := func(name string) string {
		v := q.Get(name)
		q.Del(name)
		return v
	}
	file := func(name string) string {
		path := take(name)
		if path != "" && !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path
	}
	return BrokerTLS{CA: file(paramCA), Cert: file(paramCert), Key: file(paramKey), ServerName: take(paramServerName)}
}

// Config is nil for the zero value. An error says which file is wrong.
func (t BrokerTLS) Config() (*tls.Config, error) {
	if t == (BrokerTLS{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("its %s cannot be read: %w", paramCA, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM\nConvert it: openssl x509 -inform der -in FILE", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, fmt.Errorf("%s belongs to a second file\nName both, %s and %s.", t.Cert+t.Key, paramCert, paramKey)
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("its %s and %s do not go together: %w", paramCert, paramKey, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
