package brokers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// TrustHint is the way out of a connection over TLS that failed, "" where TLS is not why.
func TrustHint(err error) string {
	var unverified *tls.CertificateVerificationError
	var name x509.HostnameError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return "Say which name its certificate has: server_name_indication=NAME in its URL."
	case errors.As(err, &unverified):
		return "Name the authority that signed its certificate: cacertfile=FILE in its URL."
	case errors.As(err, &noTLS):
		return "That port is not over TLS: name another one, or write amqp:// or kafka://."
	}
	return ""
}
