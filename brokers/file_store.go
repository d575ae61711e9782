package brokers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// MessageSink is a place that messages are saved to: a file, or a folder with one file for each exchange, queue or
// topic. It is for one goroutine.
type MessageSink struct {
	path   string
	folder bool
	redact *Redaction
	files  map[string]*sinkFile
}

type sinkFile struct {
	file *os.File
	zstd *zstd.Encoder // nil: not compressed
	*MessageWriter
}

// CreateMessages opens a place to save messages to. A path that ends in .zst is compressed; one that ends in a slash,
// or is a folder, becomes a folder. Files that are there already are not touched: they are an error.
func CreateMessages(path string, redact *Redaction) (*MessageSink, error) {
	s := &MessageSink{path: path, redact: redact, files: map[string]*sinkFile{}}
	info, err := os.Stat(path)
	s.folder = strings.HasSuffix(path, string(filepath.Separator)) || err == nil && info.IsDir()
	if redact != nil {
		if err := redact.Check(); err != nil {
			return nil, err
		}
	}
	if s.folder {
		return s, os.MkdirAll(path, 0o700)
	}
	_, err = s.open(path)
	return s, err
}

// Write saves one message.
func (s *MessageSink) Write(m *Message) error {
	path := s.path
	if s.folder {
		path = filepath.Join(path, fileName(m)+".jsonl")
	}
	f, err := s.open(path)
	if err != nil {
		return err
	}
	return f.Write(m)
}

func (s *MessageSink) open(path string) (*sinkFile, error) {
	if f := s.files[path]; f != nil {
		return f, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s is there already\nGive another name, or remove it.", path)
	}
	if err != nil {
		return nil, err
	}
	f := &sinkFile{file: file}
	to := io.Writer(file)
	if strings.HasSuffix(path, ".zst") {
		if f.zstd, err = zstd.NewWriter(file, zstd.WithEncoderConcurrency(1)); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		to = f.zstd
	}
	f.MessageWriter = NewMessageWriter(to, s.redact)
	s.files[path] = f
	return f, nil
}

// Sync brings everything so far to the disk, so that what is deleted afterwards is not lost with a crash.
func (s *MessageSink) Sync() error {
	for _, f := range s.files {
		if err := f.sync(); err != nil {
			return err
		}
	}
	return nil
}

func (f *sinkFile) sync() error {
	if err := f.Flush(); err != nil {
		return err
	}
	if f.zstd != nil {
		if err := f.zstd.Flush(); err != nil {
			return err
		}
	}
	return f.file.Sync()
}

// Close brings everything to the disk and ends.
func (s *MessageSink) Close() error {
	var failed []error
	for _, f := range s.files {
		failed = append(failed, f.Flush())
		if f.zstd != nil {
			failed = append(failed, f.zstd.Close())
		}
		failed = append(failed, f.file.Sync(), f.file.Close())
	}
	return errors.Join(failed...)
}

// fileName names the file of a message in a folder after where it was found.
func fileName(m *Message) string {
	name := m.Topic
	switch {
	case m.Kind == Kafka:
	case m.Queue != "":
		name = m.Queue
	case m.Exchange != "":
		name = m.Exchange
	default:
		name = "default-exchange"
	}
	safe := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	return string(m.Kind) + "-" + safe[:min(len(safe), 200)]
}

// MessageFiles reads what a MessageSink, or a person, wrote. It is for one goroutine.
type MessageFiles struct {
	paths    []string
	reader   *MessageReader
	closers  []func() error
	redacted int
}

// OpenMessages opens a file of messages, compressed or not, or a folder of them, whose files are read by their names.
func OpenMessages(path string) (*MessageFiles, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("messages: %w\nGive a file of JSON lines, a .zst of one, or a folder of these.", err)
	}
	f := &MessageFiles{paths: []string{path}}
	if info.IsDir() {
		f.paths = nil
		for _, pattern := range []string{"*.jsonl", "*.jsonl.zst"} {
			found, err := filepath.Glob(filepath.Join(escapeGlob(path), pattern))
			if err != nil {
				return nil, err
			}
			f.paths = append(f.paths, found...)
		}
		slices.Sort(f.paths)
		if len(f.paths) == 0 {
			return nil, fmt.Errorf("messages: the folder %s holds no *.jsonl and no *.jsonl.zst\nGive a file of JSON lines, a .zst of one, or a folder of these.", path)
		}
	}
	return f, nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(path)
}

// Read returns the next message, or io.EOF behind the last one.
func (f *MessageFiles) Read() (Message, error) {
	for {
		if f.reader == nil {
			if len(f.paths) == 0 {
				return Message{}, io.EOF
			}
			if err := f.next(); err != nil {
				return Message{}, err
			}
		}
		m, err := f.reader.Read()
		if !errors.Is(err, io.EOF) {
			return m, err
		}
		if err := f.Close(); err != nil {
			return Message{}, err
		}
	}
}

// Redacted is how many of the messages read so far lack what a Redaction took out.
func (f *MessageFiles) Redacted() int {
	if f.reader == nil {
		return f.redacted
	}
	return f.redacted + f.reader.Redacted()
}

func (f *MessageFiles) next() error {
	path := f.paths[0]
	f.paths = f.paths[1:]
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	f.closers = append(f.closers, file.Close)
	start := make([]byte, 4)
	n, err := io.ReadFull(file, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.Join(err, f.Close())
	}
	in := io.MultiReader(bytes.NewReader(start[:n]), file)
	if string(start) == "\x28\xb5\x2f\xfd" {
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return errors.Join(err, f.Close())
		}
		f.closers = append(f.closers, func() error { z.Close(); return nil })
		in = z
	}
	f.reader = NewMessageReader(in, path)
	return nil
}

// Close ends the reading.
func (f *MessageFiles) Close() error {
	if f.reader != nil {
		f.redacted += f.reader.Redacted()
		f.reader = nil
	}
	var failed []error
	for _, c := range slices.Backward(f.closers) {
		failed = append(failed, c())
	}
	f.closers = nil
	return errors.Join(failed...)
}
