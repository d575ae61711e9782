package testenv

// Every name and version that the set-up installs stands in this file.

const (
	// ComposeVersion is the Docker Compose whose behaviour msdev follows.
	ComposeVersion = "v5.6.0"
	// BuildxVersion is what Compose builds images with.
	BuildxVersion = "v0.38.2"
	// LinterVersion is golangci-lint's.
	LinterVersion = "v2.15.0"
	// MavenCopyGoal copies jars out of Maven Central.
	MavenCopyGoal = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
	// AirVersion is a peer's that only benchmarks run: it reloads Go programs.
	AirVersion = "v1.67.4"
	// GrpcurlVersion is a peer's that only benchmarks run: it makes gRPC calls.
	GrpcurlVersion = "v1.9.4"
)

// A Package is one of Debian's, installed where File is neither on the PATH nor an existing path.
type Package struct{ Name, File string }

// Packages are what every run needs from Debian.
func Packages() []Package {
	return []Package{
		{"docker.io", "dockerd"},
		{"iptables", "iptables"},
		{"debootstrap", "debootstrap"},
		{"kcat", "kcat"},
		{"tmux", "tmux"},
		{"openjdk-17-jdk-headless", "javac"},
		{"maven", "mvn"},
		{"ca-certificates", "/etc/ssl/certs/ca-certificates.crt"},
	}
}

// BenchPackages are what only benchmarks need from Debian.
func BenchPackages() []Package {
	return []Package{{"hyperfine", "hyperfine"}}
}

// A KafkaLine is one release of Apache Kafka: its name in tests, its version, and the folder under testenv/kafka that
// lists its jars.
type KafkaLine struct{ Name, Version string }

// KafkaLines are the releases that Kafka starts.
func KafkaLines() []KafkaLine {
	return []KafkaLine{{"4.1", "4.1.1"}, {"2.8", "2.8.2"}}
}

// A BaseImage is a Debian release, made by debootstrap.
type BaseImage struct{ Suite, Tag string }

// BaseImages are what all stand-in images are made from.
func BaseImages() []BaseImage {
	return []BaseImage{
		{"bookworm", "debian:bookworm-slim"},
		{"trixie", "debian:trixie-slim"},
	}
}

// An Image stands in for one that a registry would serve: the folder of its Dockerfile under testenv/images, the base
// it is built from, the names it gets, and what the set-up adds to its build context.
type Image struct {
	Folder string
	Base   string
	Tags   []string
	Adds   []Addition
}

// An Addition is something that a build context needs and the repository does not hold.
type Addition int

// The additions: the static test program, this machine's Go with its CA bundle, and the jars of Kafka 4.1.
const (
	AddApp Addition = iota + 1
	AddGo
	AddKafka
)

// EngineImage is Docker Engine 26.1 as an image: Docker in Docker.
func EngineImage() Image {
	return Image{Folder: "engine26", Base: "debian:trixie-slim", Tags: []string{"msdev-test/engine:26"}}
}

// Images are what tests and samples find on every engine. The first tag of each is its own.
func Images() []Image {
	const bookworm, trixie = "debian:bookworm-slim", "debian:trixie-slim"
	return []Image{
		{Folder: "app", Tags: []string{"msdev-test/app:latest"}, Adds: []Addition{AddApp}},
		{Folder: "busybox", Base: bookworm, Tags: []string{"busybox:latest", "alpine:latest", "alpine:3"}},
		{Folder: "rabbitmq", Base: bookworm, Tags: []string{"rabbitmq:3-management", "rabbitmq:3"}},
		{Folder: "rabbitmq", Base: trixie, Tags: []string{"rabbitmq:4-management", "rabbitmq:4", "rabbitmq:management", "rabbitmq:latest"}},
		{Folder: "kafka", Base: bookworm, Tags: []string{"apache/kafka:4.1.1", "apache/kafka:latest"}, Adds: []Addition{AddKafka}},
		{Folder: "golang", Base: bookworm, Tags: []string{"golang:1.26", "golang:latest"}, Adds: []Addition{AddGo}},
		{Folder: "nginx", Base: bookworm, Tags: []string{"nginx:latest", "nginx:alpine"}},
		{Folder: "postgres", Base: bookworm, Tags: []string{"postgres:15", "postgres:latest"}},
		{Folder: "redis", Base: bookworm, Tags: []string{"redis:7", "redis:latest", "redis:alpine"}},
	}
}
